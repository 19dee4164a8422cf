# The services that people run, as against those that a system is made of.
{
  imports = [
    ./backup/postgresql-backup.nix
    ./databases/etcd.nix
    ./databases/memcached.nix
    ./databases/mysql.nix
    ./databases/openldap.nix
    ./databases/postgresql.nix
    ./databases/redis.nix
    ./logging/rsyslogd.nix
    ./monitoring/prometheus
    ./monitoring/prometheus/pushgateway.nix
    ./network-filesystems/clients.nix
    ./networking/bind.nix
    ./networking/dnsdist.nix
    ./networking/git-daemon.nix
    ./networking/haproxy.nix
    ./networking/knot.nix
    ./networking/mosquitto.nix
    ./networking/samba.nix
    ./networking/stunnel.nix
    ./networking/vsftpd.nix
    ./system/atd.nix
    ./web-servers/apache-httpd
    ./web-servers/nginx
  ];
}
