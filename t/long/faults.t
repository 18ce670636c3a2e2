#!/usr/bin/perl

# Every fault of PostgreSQL many times over, for AI_MINUTES (30).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use AI::Faults;

faults_under_load(rounds => $ENV{AI_ROUNDS} || 1000,
    minutes => $ENV{AI_MINUTES} || 30, seconds => $ENV{AI_SECONDS} || 2,
    clients => 4);
