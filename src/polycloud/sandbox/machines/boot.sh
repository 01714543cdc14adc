# The first process of a machine: when it ends, the kernel ends all others.
# boot.sh PROTECT, where PROTECT is "yes" if root in here is the root of this computer.
set -eu
read -r process _ < /proc/self/stat  # as this computer counts
mount -t proc proc /proc
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 1777 /run/lock
if [ "$1" = yes ]; then
    # Settings of the kernel are this computer's, but those of the network are the machine's own.
    mount --bind /proc/sys /proc/sys
    mount --bind /proc/sys/net /proc/sys/net
    mount -o remount,bind,ro /proc/sys
    if [ -e /proc/sysrq-trigger ]; then mount --bind /dev/null /proc/sysrq-trigger; fi
fi
trap '' CHLD  # the kernel reaps orphans for whoever does not care
echo "$process"
exec cat > /dev/null  # until the sandbox lets go of the other end
