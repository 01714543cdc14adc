# The first process of a machine: when it ends, the kernel ends all others.
# boot.sh PROTECT, where PROTECT is "yes" if root in here is the root of this computer.
set -eu
read -r process _ < /proc/self/stat  # its number on this computer
mount -t proc proc /proc
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 1777 /run/lock
if [ "$1" = yes ]; then
    # The kernel's settings are this computer's, except for those of the machine's network.
    mount --bind /proc/sys /proc/sys
    mount --bind /proc/sys/net /proc/sys/net
    mount -o remount,bind,ro /proc/sys
    if [ -e /proc/sysrq-trigger ]; then mount --bind /dev/null /proc/sysrq-trigger; fi
fi
trap '' CHLD  # the kernel reaps the children of a process that ignores SIGCHLD
echo "$process"
exec cat > /dev/null  # until the sandbox closes the other end of the pipe
