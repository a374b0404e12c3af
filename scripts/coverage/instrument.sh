#!/bin/sh
# What cargo compiles this crate with, so that its dependencies need not be compiled anew.
exec "$@" -Cinstrument-coverage
