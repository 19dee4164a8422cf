# Packages of the core system that need more than a row.
{ final, lib, row, ... }:
let
  program = name: deb: path: row name { inherit deb; bare = true; main = name; links."bin/${name}" = path; };
in
{
  shadow = row "shadow" {
    deb = "passwd";
    "with" = [
      "login"
      "uidmap"
    ];
    main = null;
    passthru.su = program "su" "util-linux" "/usr/bin/su";
  };

  glibc = row "glibc" {
    deb = "libc6";
    "with" = [ "libc-bin" ];
    main = null;
    dev = "libc6-dev";
    passthru = {
      getent = final.getent;
      bin = row "glibc-bin" { deb = "libc-bin"; main = null; };
    };
  };

  # Every locale, compiled.
  glibcLocales = row "glibc-locales" { deb = "locales-all"; main = null; };

  util-linux = row "util-linux" (
    final.snowglobe.table.util-linux
    // {
      passthru = {
        mount = row "util-linux-mount" { deb = "mount"; main = null; };
        login = program "login" "login" "/usr/bin/login";
        withPatches = final.util-linux;
      };
    }
  );

  unixtools = lib.mapAttrs (name: value: program name value.deb value.path) {
    column = { deb = "bsdextrautils"; path = "/usr/bin/column"; };
    col = { deb = "bsdextrautils"; path = "/usr/bin/col"; };
    eject = { deb = "eject"; path = "/usr/bin/eject"; };
    fdisk = { deb = "fdisk"; path = "/usr/sbin/fdisk"; };
    fsck = { deb = "util-linux"; path = "/usr/sbin/fsck"; };
    getconf = { deb = "libc-bin"; path = "/usr/bin/getconf"; };
    getent = { deb = "libc-bin"; path = "/usr/bin/getent"; };
    getopt = { deb = "util-linux"; path = "/usr/bin/getopt"; };
    hexdump = { deb = "bsdextrautils"; path = "/usr/bin/hexdump"; };
    hostname = { deb = "hostname"; path = "/usr/bin/hostname"; };
    ifconfig = { deb = "net-tools"; path = "/usr/sbin/ifconfig"; };
    killall = { deb = "psmisc"; path = "/usr/bin/killall"; };
    locale = { deb = "libc-bin"; path = "/usr/bin/locale"; };
    logger = { deb = "bsdutils"; path = "/usr/bin/logger"; };
    more = { deb = "util-linux"; path = "/usr/bin/more"; };
    mount = { deb = "mount"; path = "/usr/bin/mount"; };
    netstat = { deb = "net-tools"; path = "/usr/bin/netstat"; };
    ping = { deb = "iputils-ping"; path = "/usr/bin/ping"; };
    ps = { deb = "procps"; path = "/usr/bin/ps"; };
    quota = { deb = "quota"; path = "/usr/bin/quota"; };
    route = { deb = "net-tools"; path = "/usr/sbin/route"; };
    script = { deb = "bsdutils"; path = "/usr/bin/script"; };
    sysctl = { deb = "procps"; path = "/usr/sbin/sysctl"; };
    top = { deb = "procps"; path = "/usr/bin/top"; };
    umount = { deb = "mount"; path = "/usr/bin/umount"; };
    watch = { deb = "procps"; path = "/usr/bin/watch"; };
    whereis = { deb = "util-linux"; path = "/usr/bin/whereis"; };
    xxd = { deb = "xxd"; path = "/usr/bin/xxd"; };
  };
  inherit (final.unixtools)
    ps
    ping
    hostname
    fdisk
    killall
    ;

  opensshPackages = {
    inherit (final) openssh;
    openssh_gssapi = final.openssh_gssapi;
    openssh_hpn = throw "opensshPackages.openssh_hpn is not supported: Debian has no such build";
  };

  # A statically linked build, where Debian has one.
  pkgsStatic = {
    inherit (final) busybox;
    bash = row "bash-static" { main = "bash"; links."bin/bash" = "/usr/bin/bash-static"; };
    zsh = row "zsh-static" { main = "zsh"; links."bin/zsh" = "/usr/bin/zsh5-static"; };
  };

  nix = row "nix" { deb = "nix-bin"; };

  docker-compose_1 = throw "pkgs.docker-compose_1 is not supported: Debian trixie has version 2";

  # Modules of nginx, to be loaded by services.nginx.additionalModules.
  nginxModules =
    lib.mapAttrs
      (
        name: module:
        row "nginx-module-${name}" {
          deb = "libnginx-mod-${module.deb}";
          "with" = module.more or [ ];
          main = null;
          passthru.modules = map (file: "${file}_module.so") module.files;
        }
      )
      {
        brotli = { deb = "http-brotli-filter"; more = [ "libnginx-mod-http-brotli-static" ]; files = [ "ngx_http_brotli_filter" "ngx_http_brotli_static" ]; };
        cache-purge = { deb = "http-cache-purge"; files = [ "ngx_http_cache_purge" ]; };
        dav = { deb = "http-dav-ext"; files = [ "ngx_http_dav_ext" ]; };
        echo = { deb = "http-echo"; files = [ "ngx_http_echo" ]; };
        fancyindex = { deb = "http-fancyindex"; files = [ "ngx_http_fancyindex" ]; };
        geoip2 = { deb = "http-geoip2"; files = [ "ngx_http_geoip2" ]; };
        moreheaders = { deb = "http-headers-more-filter"; files = [ "ngx_http_headers_more_filter" ]; };
        pam = { deb = "http-auth-pam"; files = [ "ngx_http_auth_pam" ]; };
        rtmp = { deb = "rtmp"; files = [ "ngx_rtmp" ]; };
        stream = { deb = "stream"; files = [ "ngx_stream" ]; };
        mail = { deb = "mail"; files = [ "ngx_mail" ]; };
        subsFilter = { deb = "http-subs-filter"; files = [ "ngx_http_subs_filter" ]; };
      };
}
