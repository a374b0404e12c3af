#!/bin/sh
# Stands in for a C compiler and a librarian, where what they make is never linked. Only the library
# has to be there: cc-rs copies the one that it asks Microsoft's librarian for.
for argument; do
    case $argument in
    -out:*) : >"${argument#-out:}" ;;
    esac
done
