#!/usr/bin/perl

# A million requests over providers that flap; see `make flapping`.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use AI::Flapping;

flap_under_load(requests => $ENV{AI_REQUESTS} || 1000000, clients => 60,
    loads => 2, seed => $ENV{SEED} // 1, stride => $ENV{AI_STRIDE} || 5,
    workers => 4);
