# Perl and its modules.
{ final, lib, row, ... }:
let
  # nixpkgs' names have lost the colons, so that each has to be named.
  modules = {
    AnyEvent = "libanyevent-perl";
    AuthenSASL = "libauthen-sasl-perl";
    CGI = "libcgi-pm-perl";
    CryptSSLeay = "libcrypt-ssleay-perl";
    DateTime = "libdatetime-perl";
    DBDPg = "libdbd-pg-perl";
    DBDSQLite = "libdbd-sqlite3-perl";
    DBDmysql = "libdbd-mysql-perl";
    DBDMariaDB = "libdbd-mariadb-perl";
    DBI = "libdbi-perl";
    DigestSHA1 = "libdigest-sha-perl";
    Expect = "libexpect-perl";
    FCGI = "libfcgi-perl";
    FileSlurp = "libfile-slurp-perl";
    HTTPDaemon = "libhttp-daemon-perl";
    HTTPDaemonSSL = "libhttp-daemon-ssl-perl";
    HTTPMessage = "libhttp-message-perl";
    IOSocketSSL = "libio-socket-ssl-perl";
    IOSocketINET6 = "libio-socket-inet6-perl";
    JSON = "libjson-perl";
    JSONXS = "libjson-xs-perl";
    LWP = "libwww-perl";
    LWPProtocolHttps = "liblwp-protocol-https-perl";
    LWPUserAgent = "libwww-perl";
    ListMoreUtils = "liblist-moreutils-perl";
    MailDKIM = "libmail-dkim-perl";
    Moose = "libmoose-perl";
    NetDNS = "libnet-dns-perl";
    NetLDAP = "libnet-ldap-perl";
    NetSMTPSSL = "libnet-smtp-ssl-perl";
    NetSSLeay = "libnet-ssleay-perl";
    Plack = "libplack-perl";
    ProcProcessTable = "libproc-processtable-perl";
    Starman = "starman";
    Switch = "libswitch-perl";
    TermReadKey = "libterm-readkey-perl";
    TestWWWMechanize = "libtest-www-mechanize-perl";
    TryTiny = "libtry-tiny-perl";
    XMLLibXML = "libxml-libxml-perl";
    XMLSimple = "libxml-simple-perl";
    YAML = "libyaml-perl";
  };
  packages = lib.mapAttrs (name: deb: row "perl-${name}" { inherit deb; main = null; }) modules;
  make =
    chosen:
    row "perl" {
      deb = "perl";
      "with" = [
        "perl-base"
        "perl-modules-5.40"
        "libperl5.40"
      ]
      ++ builtins.concatMap (package: package.debian.files) chosen;
      dev = "libperl-dev";
      passthru = {
        withPackages = choose: make (chosen ++ lib.flatten (choose packages));
        pkgs = packages;
        libPrefix = "lib/perl5";
        interpreter = "${make chosen}/bin/perl";
      };
    };
in
{
  perl = make [ ];
  perl540 = final.perl;
  perlPackages = packages // {
    inherit (final) perl;
    makePerlPath = lib.makeSearchPath "share/perl5";
  };
}
