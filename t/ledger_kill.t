#!/usr/bin/perl

# Workers and the master are killed under load: t/lib/AI/Kills.pm.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Kills;

kill_under_load(kills => $ENV{AI_KILLS} || 20, clients => 4);
