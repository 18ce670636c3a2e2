#!/usr/bin/perl

# Every fault of PostgreSQL and of the workers once or twice, under load.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Faults;

faults_under_load(rounds => $ENV{AI_ROUNDS} || 1, seconds => 1, clients => 3);
