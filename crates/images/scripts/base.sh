# Configures the unpacked packages of the base. /mnt/work has what is handed over:
# owners (uid, gid, mode and path a line), names of the packages.
umask 022
cp -a /mnt/dpkg/. /var/lib/dpkg/

# Names of users come first: everything else refers to them.
DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=base-passwd \
    /var/lib/dpkg/info/base-passwd.preinst install
while read -r uid gid mode path; do
    chown -h "$uid:$gid" "/$path"
    chmod "$mode" "/$path"
done < /mnt/work/owners

# What these need in order to work at all, before anything is configured.
ldconfig
[ -e /usr/bin/awk ] || ln -s gawk /usr/bin/awk
[ -e /etc/shadow ] || { touch /etc/shadow; chmod 640 /etc/shadow; chown root:42 /etc/shadow; }

dpkg --force-confold --force-unsafe-io --configure -a

depmod -a "$(ls /usr/lib/modules)"

# A machine's configuration says what runs; nothing is enabled because it is there.
for kind in system user; do
    mkdir -p /usr/lib/systemd/$kind-preset
    echo 'disable *' > /usr/lib/systemd/$kind-preset/00-snowglobe.preset
done

# Nothing that is different from machine to machine, and nothing that only costs space.
rm -rf /etc/machine-id /var/lib/dbus/machine-id /etc/ssh/ssh_host_* /etc/resolv.conf /etc/hostname \
    /etc/systemd/system /etc/systemd/user /var/cache/* /var/log/* /var/lib/apt/lists /var/lib/systemd/* \
    /var/lib/dpkg/*-old /var/lib/dpkg/lock* /var/cache/debconf/*-old /var/backups/* /etc/*- \
    /var/lib/systemd/random-seed /boot/* /etc/.pwd.lock
mkdir -p /etc/systemd/system /etc/systemd/user /var/lib/apt/lists /var/cache/apt/archives \
    /var/cache/debconf /var/log
touch /etc/machine-id
find /var/lib/dpkg -name '*.md5sums' -delete

find /mnt/dpkg -mindepth 1 -delete
cp -a /var/lib/dpkg/. /mnt/dpkg/
