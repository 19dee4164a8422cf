//! Numbers of users and groups.
//!
//! A layer is shared by machines whose `/etc/passwd` differ, so the owner of a file must mean the same
//! name everywhere. Names that NixOS knows have NixOS' numbers, names that Debian's packages make
//! have fixed numbers of ours, and every other name gets one computed from the name.

/// Numbers that NixOS gives to names, for users and groups alike.
///
/// One difference: group `tty` is 5, as Debian's systemd and glibc were built to expect.
const NIXOS: &str = "root 0 wheel 1 kmem 2 tty 5 messagebus 4 disk 6 ftp 8 nagios 11 atd 12 postfix 13 postdrop 14 \
dovecot 15 tomcat 16 audio 17 floppy 18 uucp 19 lp 20 proc 21 pulseaudio 22 gpsd 23 cdrom 24 tape 25 \
video 26 dialout 27 polkituser 28 utmp 29 davfs2 31 disnix 33 osgi 34 tor 35 cups 36 foldingathome 37 git 41 \
dovecot2 46 dovenull2 47 mpd 50 clamav 51 wwwrun 54 adm 55 spamd 56 networkmanager 57 nslcd 58 \
scanner 59 nginx 60 chrony 61 systemd-journal 62 smtpd 63 smtpq 64 supybot 65 iodined 66 libvirtd 67 \
graphite 68 transmission 70 postgres 71 vboxusers 72 vboxsf 73 smbguest 74 varnish 75 datadog 76 \
lighttpd 77 lightdm 78 freenet 79 ircd 80 bacula 81 deluge 83 mysql 84 rabbitmq 85 activemq 86 gnunet 87 \
oidentd 88 quassel 89 amule 90 minidlna 91 elasticsearch 92 tcpcryptd 93 firebird 95 keys 96 users 100 \
munin 102 dictd 105 couchdb 106 jenkins 109 systemd-journal-gateway 110 aerospike 111 vault 115 \
murmur 117 foundationdb 118 newrelic 119 starbound 120 hydra 122 spiped 123 teamspeak 124 influxdb 125 \
nsd 126 gitolite 127 znc 128 polipo 129 mopidy 130 docker 131 gdm 132 siproxd 134 mlmmj 135 riemann 137 \
riemanndash 138 uhub 142 yandexdisk 143 redmine 147 prosody 149 i2pd 150 systemd-coredump 151 \
systemd-network 152 systemd-resolve 153 systemd-timesync 154 liquidsoap 155 hbase 158 opentsdb 159 \
scollector 160 bosun 161 kubernetes 162 peerflix 163 gitlab 165 cadvisor 167 nylon 168 exim 172 input 174 \
sddm 175 zabbix 180 uptimed 184 mediatomb 187 ihaskell 189 i2p 190 lambdabot 191 asterisk 192 plex 193 \
sabnzbd 194 plexpy 195 grafana 196 skydns 197 uwsgi 201 riemanntools 203 subsonic 204 gateone 207 \
namecoin 208 xtreemfs 212 calibre-server 213 bepasty 215 nm-openvpn 217 ejabberd 219 postsrsd 220 \
opendkim 221 dspam 222 matrix-synapse 224 rspamd 225 cfdyndns 227 pdnsd 229 octoprint 230 \
avahi-autoipd 231 mjpg-streamer 233 hydra-queue-runner 235 hydra-www 236 syncthing 237 caddy 239 \
taskd 240 sniproxy 244 nzbget 245 mosquitto 246 turnserver 249 gocd-agent 251 gocd-server 252 \
terraria 253 mattermost 254 prometheus 255 telegraf 256 gitlab-runner 257 postgrey 258 leaps 260 ipfs 261 \
infinoted 264 sickbeard 265 headphones 266 rpc 271 fcron 273 sonarr 274 radarr 275 jackett 276 aria2 277 \
clickhouse 278 rslsync 279 minio 280 kanboard 281 kodi 283 mighttpd2 285 hass 286 ceph 288 duplicati 289 \
monetdb 290 restic 291 openvpn 292 yarn 294 hdfs 295 mapred 296 hadoop 297 cfssl 299 cassandra 300 \
qemu-libvirtd 301 kvm 302 render 303 sgx 304 lirc 305 lidarr 306 slurm 307 kapacitor 308 alerta 310 \
minetest 311 rss2email 312 cockroachdb 313 zoneminder 314 paperless 315 zigbee2mqtt 317 shadow 318 \
hqplayer 319 moonraker 320 distcc 321 webdav 322 pipewire 323 rstudio-server 324 localtimed 325 \
automatic-timezoned 326 uinput 327 shoko 328 nixbld 30000 nobody 65534 nogroup 65534";

/// Names that Debian's packages make, numbered from [`FIRST_DEBIAN`] in this order. Only ever add at
/// the end: a number that changes makes every cached layer wrong.
const DEBIAN: &str = "daemon bin sys sync games man mail news proxy www-data backup list irc _apt fax voice sudo dip \
operator src sasl plugdev staff netdev crontab _ssh sshd polkitd uuidd dhcpcd tcpdump _chrony avahi \
dnsmasq haproxy bind unbound knot knot-resolver _kea redis memcache etcd openldap statd _rpc nfsnobody \
dovenull vmail Debian-exim debian-tor debian-spamd debian-transmission ssl-cert sambashare \
winbindd_priv geoclue rtkit colord saned lpadmin bluetooth speech-dispatcher pulse pulse-access \
gnome-initial-setup Debian-gdm fwupd-refresh cups-pk-helper nm-openconnect usbmux wireshark xrdp \
freerad sssd pdns dnsdist vcache varnishlog inspircd tinyproxy strongswan i2psvc mumble-server \
gitea gitolite3 opendmarc smmta smmsp courier opensmtpd opensmtpq _smtpd _smtpq _rspamd amavis sogo \
munge hacluster haclient libvirt libvirt-qemu libvirt-dnsmasq swtpm tss systemd-journal-remote \
systemd-oom systemd-journal-upload flatpak _galera nut radvd frr frrvty quagga bird ntpsec ntp \
collectd icinga icingacmd logcheck fetchmail stunnel4 mlocate plocate i2c gpio clock _dhcp \
rtorrent mongodb mailman tftp telnetd sgeadmin powerdev lxd incus incus-admin lxc-dnsmasq dnscrypt-proxy \
_dnscrypt-proxy nitter minetest-server znc-admin ejabberd-admin zabbix-agent munin-async node-exporter \
pgbouncer pgpool kea gluster ganglia graylog keycloak nomad consul step-ca radicale davical \
roundcube mastodon pixelfed vaultwarden cockpit-ws cockpit-wsinstance nvpd fluidsynth mopidy-http";

const FIRST_DEBIAN: u32 = 400;
/// Numbers computed from names lie here; systemd takes 1000 and above for people.
const COMPUTED: std::ops::Range<u32> = 650..1000;

/// The number of a system user.
pub fn uid(name: &str) -> u32 {
    id(name)
}

/// The number of a system group; the same as that of the user of that name.
pub fn gid(name: &str) -> u32 {
    id(name)
}

fn id(name: &str) -> u32 {
    let mut words = NIXOS.split_whitespace();
    while let (Some(known), Some(number)) = (words.next(), words.next()) {
        if known == name {
            return number.parse().unwrap_or(u32::MAX);
        }
    }
    if let Some(position) = DEBIAN.split_whitespace().position(|known| known == name) {
        return FIRST_DEBIAN + position as u32;
    }
    let hash = blake3::hash(name.as_bytes());
    let mut start = [0; 4];
    start.copy_from_slice(&hash.as_bytes()[..4]);
    COMPUTED.start + u32::from_le_bytes(start) % (COMPUTED.end - COMPUTED.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn known_names_have_distinct_numbers() {
        let mut seen = BTreeMap::new();
        let nixos = NIXOS.split_whitespace().step_by(2);
        for name in nixos.chain(DEBIAN.split_whitespace()) {
            let number = uid(name);
            assert_eq!(gid(name), number);
            if name == "nogroup" {
                continue;
            }
            assert_eq!(seen.insert(number, name), None, "{name}");
            assert!(
                !(COMPUTED.start..30000).contains(&number),
                "{name} {number}"
            );
        }
    }

    #[test]
    fn numbers() {
        for (name, number) in [
            ("root", 0),
            ("postgres", 71),
            ("nginx", 60),
            ("nobody", 65534),
            ("daemon", 400),
        ] {
            assert_eq!(uid(name), number, "{name}");
        }
        // A change here would change the owner of files in layers that people have.
        assert_eq!(uid("somebody-else"), uid("somebody-else"));
        assert!(COMPUTED.contains(&uid("somebody-else")));
    }
}
