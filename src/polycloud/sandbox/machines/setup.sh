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
mkdir root upper work upper/etc
mount --bind root root
echo "$hostname" > upper/etc/hostname
echo "127.0.0.1 localhost
${address:-127.0.1.1} $hostname" > upper/etc/hosts
for folder in /*; do
    name=${folder#/}
    if [ -L "$folder" ]; then cp -P "$folder" root; continue; fi
    if ! [ -d "$folder" ]; then continue; fi
    mkdir "root/$name"
    case $name in tmp|run|proc|sys|dev|root|home|lost+found) continue;; esac
    mkdir -p "upper/$name" "work/$name"
    # A file system that cannot be a lower layer (another overlay, for instance) becomes an empty folder.
    layers="lowerdir=$folder,upperdir=upper/$name,workdir=work/$name$options"
    mount -t overlay -o "$layers" overlay "root/$name" 2>/dev/null || true
done
case ${HOME:-/} in
    /root*|/home*|/tmp*|/) ;;
    *) if [ -d "root$HOME" ]; then mount -t tmpfs tmpfs "root$HOME"; fi;;
esac
chmod 700 root/root

# A new /proc can be mounted only where there is one already.
mount --rbind /proc root/proc
mount -t sysfs -o ro sysfs root/sys || true
mkdir root/dev/pts root/dev/shm
for device in null zero full random urandom tty; do
    : > root/dev/$device
    mount --bind /dev/$device root/dev/$device
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd
ln -s fd/0 root/dev/stdin
ln -s fd/1 root/dev/stdout
ln -s fd/2 root/dev/stderr
chmod 1777 root/dev/shm
{ echo "$hostname" > /proc/sys/kernel/hostname; } 2>/dev/null || hostname "$hostname"

mkdir root/.host
pivot_root root root/.host
cd /
umount -l /.host
rmdir /.host
echo ready
read -r _ || true  # until the sandbox has opened the namespaces
