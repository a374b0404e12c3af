#!/usr/bin/env bash
# Boots a kernel in qemu, with a folder as its whole file system.
#
#   boot.sh pack FOLDER INITRD     packs FOLDER, which holds /init
#   boot.sh run KERNEL INITRD      boots; what the guest writes to /dev/ttyS1 goes to stdout
#
# The machine is emulated: 2 processors, BOOT_MEMORY (1024) MiB, no network, no disk. It has
# BOOT_TIMEOUT (600) seconds. The kernel's own messages go to the file BOOT_CONSOLE, if that is set.
set -euo pipefail

case ${1:-} in
pack)
    initrd=$(realpath "$3")
    (cd "$2" && find . | cpio --quiet --create --format newc >"$initrd")
    ;;
run)
    # KVM is not to be relied on: where it is offered, it need not work. Nehalem without cx16 is
    # what all of Debian's kernels boot on under qemu's own emulation.
    # On a busy machine, time in the guest does not pass as its check of the timer expects.
    exec timeout --kill-after 5 "${BOOT_TIMEOUT:-600}" qemu-system-x86_64 \
        -accel tcg,thread=multi -cpu Nehalem,-cx16 -machine q35 -smp 2 -m "${BOOT_MEMORY:-1024}" \
        -nodefaults -no-user-config -display none -no-reboot \
        -kernel "$2" -initrd "$3" \
        -append "console=ttyS0 loglevel=4 panic=-1 oops=panic rdinit=/init random.trust_cpu=on no_timer_check" \
        -serial "file:${BOOT_CONSOLE:-/dev/null}" \
        -chardev stdio,id=out,signal=off -serial chardev:out </dev/null
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
