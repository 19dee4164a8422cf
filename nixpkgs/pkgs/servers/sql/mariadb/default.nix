# The versions of MariaDB: Debian's only.
pkgs: { mariadb_118 = pkgs.mariadb; }
