# Creates the files and the network of a machine, in namespaces that outlive this script:
# setup.sh HOSTNAME OVERLAY_OPTIONS [ADDRESS GATEWAY NETWORK LINK PROCESS_OF_THE_HOST]
# Writes of the machine go to memory: to an upper layer over each top-level folder of this computer.
set -eu
hostname=$1 options=$2
if [ $# -gt 2 ]; then
    address=$3 gateway=$4 network=$5 link=$6 host=$7
    ip -batch - <<END
link set lo up
link add eth0 type veth peer name $link netns $host
address add $address/32 dev eth0
link set eth0 up
route add $gateway dev eth0
route add $network via $gateway
END
    nsenter --target "$host" --net ip -batch - <<END
address add $gateway/32 dev $link
link set $link up
route add $address/32 dev $link src $gateway
END
else
    ip link set lo up
fi

mount -t tmpfs -o mode=755 tmpfs /tmp
cd /tmp
# One program makes all folders, and one all mounts of a kind: each that starts takes a millisecond.
set -- root/.host root/dev/pts root/dev/shm upper/etc
for folder in /*; do
    name=${folder#/}
    if [ -L "$folder" ] || ! [ -d "$folder" ]; then continue; fi
    set -- "$@" "root/$name"
    # A name with a blank, which cannot stand in the table of mounts, becomes an empty folder, too
    case $name in tmp|run|proc|sys|dev|root|home|lost+found|*[[:space:]]*) continue;; esac
    set -- "$@" "upper/$name" "work/$name"
    echo "overlay /tmp/root/$name overlay lowerdir=$folder,upperdir=upper/$name,workdir=work/$name$options"
done > layers
echo "sysfs /tmp/root/sys sysfs ro" >> layers
mkdir -p "$@"
echo "$hostname" > upper/etc/hostname
echo "127.0.0.1 localhost
${address:-127.0.1.1} $hostname" > upper/etc/hosts
mount --bind root root
# A file system that cannot be a lower layer (another overlay, for instance) becomes an empty folder.
mount --all --fstab layers 2>/dev/null || true
set --
for folder in /*; do
    if [ -L "$folder" ]; then set -- "$@" "$folder"; fi
done
if [ $# -gt 0 ]; then cp -P "$@" root; fi
case ${HOME:-/} in
    /root*|/home*|/tmp*|/) ;;
    *) if [ -d "root$HOME" ]; then mount -t tmpfs tmpfs "root$HOME"; fi;;
esac
chmod 700 root/root

for device in null zero full random urandom tty; do
    : > root/dev/$device
    echo "/dev/$device /tmp/root/dev/$device none bind"
done > devices
echo "devpts /tmp/root/dev/pts devpts newinstance,ptmxmode=0666,mode=620" >> devices
# A new /proc can be mounted only where there is one already.
echo "/proc /tmp/root/proc none rbind" >> devices
mount --all --fstab devices
ln -s pts/ptmx /proc/self/fd root/dev
ln -s fd/0 root/dev/stdin
ln -s fd/1 root/dev/stdout
ln -s fd/2 root/dev/stderr
chmod 1777 root/dev/shm
{ echo "$hostname" > /proc/sys/kernel/hostname; } 2>/dev/null || hostname "$hostname"

pivot_root root root/.host
cd /
umount -l /.host
rmdir /.host
echo ready
read -r _ || true  # until the sandbox has opened the namespaces
