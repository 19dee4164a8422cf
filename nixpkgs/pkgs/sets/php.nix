# PHP and its extensions.
{ final, lib, row, orFromArchive, ... }:
let
  series = "8.4";
  # Compiled into Debian's PHP or part of php8.4-common.
  builtIn = [
    "calendar" "ctype" "exif" "ffi" "fileinfo" "filter" "ftp" "gettext" "iconv" "openssl" "pcntl" "pdo"
    "phar" "posix" "session" "shmop" "sockets" "sysvmsg" "sysvsem" "sysvshm" "tokenizer" "zlib" "opcache"
  ];
  packaged = {
    bcmath = "bcmath";
    bz2 = "bz2";
    curl = "curl";
    dba = "dba";
    dom = "xml";
    enchant = "enchant";
    gd = "gd";
    gmp = "gmp";
    imagick = "imagick";
    intl = "intl";
    ldap = "ldap";
    mbstring = "mbstring";
    memcached = "memcached";
    mysqli = "mysql";
    mysqlnd = "mysql";
    pdo_mysql = "mysql";
    pdo_odbc = "odbc";
    pdo_pgsql = "pgsql";
    pdo_sqlite = "sqlite3";
    pgsql = "pgsql";
    readline = "readline";
    redis = "redis";
    simplexml = "xml";
    snmp = "snmp";
    soap = "soap";
    sqlite3 = "sqlite3";
    tidy = "tidy";
    xml = "xml";
    xmlreader = "xml";
    xmlwriter = "xml";
    xsl = "xsl";
    zip = "zip";
    apcu = "apcu";
    xdebug = "xdebug";
  };
  extensionOf = name: deb: {
    extensionName = name;
    debianPackage = deb;
  };
  extensions =
    lib.mapAttrs (name: suffix: extensionOf name "php${series}-${suffix}") packaged
    // lib.genAttrs builtIn (name: extensionOf name null);
  standard = map (name: extensions.${name}) (
    builtIn ++ [ "bcmath" "curl" "dom" "gd" "intl" "mbstring" "mysqli" "mysqlnd" "pdo_mysql" "pdo_sqlite" "readline" "simplexml" "sqlite3" "xml" "xmlreader" "xmlwriter" "zip" ]
  );

  # Extensions that PHP has to be told to load; mysqlnd and pdo come before those that need them.
  loadOrder = [ "mysqlnd" "pdo" "xml" ];

  make =
    { enabled, extraConfig }:
    let
      debs = lib.unique (builtins.filter (deb: deb != null) (map (e: e.debianPackage) enabled));
      names = lib.unique (builtins.filter (n: !(builtins.elem n ([ "openssl" "pcntl" "session" "zlib" "filter" ]))) (map (e: e.extensionName) enabled));
      first = builtins.filter (n: builtins.elem n names) loadOrder;
      load = n: if n == "opcache" || n == "xdebug" then "zend_extension=${n}.so" else "extension=${n}.so";
      iniText = lib.concatMapStrings (n: load n + "\n") (first ++ lib.subtractLists first names) + extraConfig;
      ini = final.writeText "php.ini" iniText;
      self = row "php" {
        deb = "php${series}-cli";
        "with" = [
          "php${series}-common"
          "php${series}-fpm"
          "php${series}-cgi"
          "php${series}-opcache"
          "php${series}-readline"
        ]
        ++ debs;
        links = {
          "bin/php" = "/usr/bin/php${series}";
          "bin/php-fpm" = "/usr/sbin/php-fpm${series}";
          "bin/php-cgi" = "/usr/bin/php-cgi${series}";
          "bin/phar" = "/usr/bin/phar${series}";
        };
        passthru = {
          inherit extensions iniText;
          phpIni = "${ini}";
          packages = { composer = row "composer" { }; };
          buildEnv =
            {
              extensions ? ({ enabled, ... }: enabled),
              extraConfig ? "",
              ...
            }:
            make {
              enabled = lib.flatten (extensions { inherit enabled; all = allExtensions; });
              inherit extraConfig;
            };
          withExtensions =
            choose:
            make {
              enabled = lib.flatten (choose { inherit enabled; all = allExtensions; });
              inherit extraConfig;
            };
          unwrapped = self;
        };
      };
    in
    self;
  allExtensions = extensions;
in
{
  php = make {
    enabled = standard;
    extraConfig = "";
  };
  php84 = final.php;
  phpPackages = final.php.packages;
  php84Packages = final.php.packages;
  php84Extensions = extensions;
  phpExtensions = extensions;
  php83 = throw "pkgs.php83 is not supported: Debian trixie has PHP ${series}";
  php82 = throw "pkgs.php82 is not supported: Debian trixie has PHP ${series}";
  php81 = throw "pkgs.php81 is not supported: Debian trixie has PHP ${series}";
}
