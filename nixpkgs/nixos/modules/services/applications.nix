# The services that people run, as against those that a system is made of.
{
  imports = [
    ./backup/postgresql-backup.nix
    ./databases/memcached.nix
    ./databases/mysql.nix
    ./databases/postgresql.nix
    ./databases/redis.nix
    ./networking/bind.nix
    ./networking/haproxy.nix
    ./web-servers/apache-httpd
    ./web-servers/nginx
  ];
}
