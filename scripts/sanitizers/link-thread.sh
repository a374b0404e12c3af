#!/bin/bash
# A linker that puts ThreadSanitizer's runtime, $TSAN_RUNTIME, before everything else, as rustc does
# with those that come with it: what it replaces has to be found in it first. Build scripts and
# macros, which are linked into another folder, go without.
case "$*" in
    *"/$TSAN_HOST/debug/"*) set -- -Wl,--whole-archive "$TSAN_RUNTIME" -Wl,--no-whole-archive "$@" ;;
esac
exec cc "$@"
