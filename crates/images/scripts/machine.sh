# What machines see of /etc and /var: data that programs read however they are configured, and
# empty directories. The rest of /etc lies aside, where views can link to it.
mkdir -p /mnt/machine/etc /mnt/machine/var /usr/share/snowglobe/etc
for path in /etc/*; do
    name=${path##*/}
    if grep -qxF "$name" /mnt/work/kept; then
        cp -a "$path" /mnt/machine/etc/
    else
        case $name in
        passwd*|group*|shadow*|gshadow*|subuid*|subgid*|machine-id|systemd|hostname|resolv.conf|hosts| \
        init.d|rc?.d|mtab|localtime|apt|cron*) ;;
        *) cp -a "$path" /usr/share/snowglobe/etc/ ;;
        esac
    fi
done
# Two links of Debian's, /var/run and /var/lock, are part of what everybody expects.
rsync -a --include='*/' --include=/run --include=/lock --exclude='*' /var/ /mnt/machine/var/
rm -rf /mnt/machine/var/lib/dpkg /mnt/machine/var/lib/apt /mnt/machine/var/cache/apt /mnt/machine/var/lib/pam \
    /mnt/machine/var/cache/debconf /mnt/machine/var/lib/ucf

# /usr is as new as /etc and /var: systemd need not rebuild caches at every first boot.
touch /mnt/machine/etc/.updated /mnt/machine/var/.updated
