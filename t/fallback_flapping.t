#!/usr/bin/perl

# A few thousand requests over providers that flap; `make flapping` for more.
#
#   SEED=N

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Flapping;

flap_under_load(requests => 3000, clients => 30, loads => 1,
    seed => $ENV{SEED} // 1, stride => 60);
