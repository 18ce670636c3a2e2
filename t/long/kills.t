#!/usr/bin/perl

# A thousand kills under load; takes about ten minutes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use AI::Kills;

kill_under_load(kills => $ENV{AI_KILLS} || 1000, clients => 6);
