#!/usr/bin/perl

# Every fault of PostgreSQL many times over; about half an hour.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use AI::Faults;

faults_under_load(rounds => $ENV{AI_ROUNDS} || 50,
    seconds => $ENV{AI_SECONDS} || 5, clients => 4);
