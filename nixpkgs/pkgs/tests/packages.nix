{ nixpkgs, pkgs, lib, fields }:
let
  inherit (fields) view;
  overlaid = nixpkgs {
    overlays = [
      (final: prev: {
        greeting = final.writeText "greeting" final.word;
        word = "hello";
      })
      (final: prev: { word = prev.word + "!"; })
    ];
  };
  configured = nixpkgs { config.packageOverrides = old: { curl = old.hello; }; };
in
{
  isDerivation = { expr = lib.isDerivation pkgs.hello; expected = true; };
  view = { expr = view pkgs.nginx; expected = { install = [ "nginx" "nginx-common" ]; files = [ "nginx" "nginx-common" ]; links = { conf = "/usr/share/snowglobe/etc/nginx"; html = "/usr/share/nginx/html"; }; }; };
  netcat = { expr = (view pkgs.netcat).links."bin/nc"; expected = "/usr/bin/nc.openbsd"; };
  bareView = { expr = (view pkgs.getent).files; expected = [ ]; };
  bareViewInstalls = { expr = (view pkgs.getent).install; expected = [ "libc-bin" ]; };
  onlyInstalled = { expr = lib.elem "libsasl2-modules" (view pkgs.postfix).files; expected = false; };
  development = { expr = (view pkgs.openssl.dev).install; expected = [ "libssl-dev" "openssl" "libssl3t64" ]; };
  developmentOfMore = { expr = lib.head (view pkgs.util-linux.dev).files; expected = "libmount-dev"; };
  mainProgram = { expr = builtins.unsafeDiscardStringContext (lib.getExe pkgs.iproute2); expected = "${builtins.unsafeDiscardStringContext pkgs.iproute2}/bin/ip"; };
  getBin = { expr = lib.getBin pkgs.openssl == pkgs.openssl; expected = true; };
  placeholderVersion = { expr = pkgs.hello.version; expected = if builtins ? snowglobe then pkgs.hello.version else "0"; };
  versions = {
    expr = map pkgs.snowglobe.upstreamVersion [ "1:11.8.3-0+deb13u1" "26.1.5+dfsg1-9+b9" "257.9-1~deb13u1" "140.5.0esr-1~deb13u1" "2.8+dfsg+really1-1" "398-1" "2.53.3+ds1-2" "1.11.0-1+b6" ];
    expected = [ "11.8.3" "26.1.5" "257.9" "140.5.0esr" "2.8" "398" "2.53.3" "1.11.0" ];
  };
  notInDebian = { expr = pkgs.consul.outPath; fails = true; };
  overrideNothing = { expr = pkgs.hello.override { } == pkgs.hello; expected = true; };
  overrideSomething = { expr = (pkgs.hello.override { withX = true; }).name; fails = true; };
  overrideAttrs = { expr = (pkgs.hello.overrideAttrs (old: { pname = old.pname + "2"; passthru.x = 1; })).x; expected = 1; };
  overrideAttrsPatches = { expr = (pkgs.hello.overrideAttrs { patches = [ ]; }).name; fails = true; };

  overlays = { expr = overlaid.greeting.text; expected = "hello!"; };
  extend = { expr = (pkgs.extend (final: prev: { here = prev.hello.pname; })).here; expected = "hello"; };
  packageOverrides = { expr = configured.curl.pname; expected = "hello"; };
  callPackage = { expr = (pkgs.callPackage ({ hello, extra ? 1 }: { inherit extra; name = hello.pname; }) { extra = 2; }).extra; expected = 2; };
  callPackageOverride = { expr = ((pkgs.callPackage ({ hello, extra ? 1 }: { inherit extra; }) { }).override { extra = 3; }).extra; expected = 3; };
  otherSystem = { expr = (nixpkgs { system = "aarch64-linux"; }).hello.name; fails = true; };
  crossSystem = { expr = (nixpkgs { crossSystem.system = "aarch64-linux"; }).hello.name; fails = true; };
  platform = { expr = [ pkgs.stdenv.hostPlatform.isLinux pkgs.stdenv.isx86_64 pkgs.stdenv.hostPlatform.isDarwin pkgs.system ]; expected = [ true true false "x86_64-linux" ]; };

  pythonPlain = { expr = pkgs.python3.withPackages (_: [ ]) == pkgs.python3; expected = true; };
  pythonPackages = { expr = lib.last (view (pkgs.python3.withPackages (p: [ p.requests p.pyyaml ]))).install; expected = "python3-yaml"; };
  pythonInterpreter = { expr = lib.hasSuffix "/bin/python3.13" pkgs.python3.interpreter; expected = true; };
  pythonOwn = {
    expr = let own = pkgs.python3Packages.buildPythonPackage { pname = "own"; version = "1"; src = ./.; dependencies = [ pkgs.python3Packages.requests ]; };
      in lib.hasInfix "python3" (pkgs.python3.withPackages (_: [ own ])).name;
    expected = true;
  };
  perlPackages = { expr = lib.last (view (pkgs.perl.withPackages (p: [ p.DBDPg ]))).install; expected = "libdbd-pg-perl"; };
  postgresql = { expr = (view pkgs.postgresql).links."bin/initdb"; expected = "/usr/lib/postgresql/17/bin/initdb"; };
  postgresqlExtension = { expr = lib.last (view (pkgs.postgresql.withPackages (p: [ p.pgtap ]))).install; expected = "postgresql-17-pgtap"; };
  postgresqlVersions = { expr = lib.attrNames pkgs.postgresqlVersions; expected = [ "postgresql_17" ]; };
  postgrest = { expr = (builtins.fromJSON pkgs.haskellPackages.postgrest.unwrapped.drvAttrs.npm).version; expected = "12.0.2-2"; };
  phpExtension = { expr = lib.hasInfix "extension=imagick.so" (pkgs.php.withExtensions ({ enabled, all }: enabled ++ [ all.imagick ])).iniText; expected = true; };
  gnome = { expr = pkgs.gnome.gnome-shell == pkgs.gnome-shell; expected = true; };
  xorg = { expr = (view pkgs.xorg.xwininfo).links; expected = { "bin/xwininfo" = "/usr/bin/xwininfo"; }; };
  core = { expr = lib.length pkgs.snowglobe.corePackages > 25; expected = true; };
  firefox = { expr = (view pkgs.firefox).links."share/applications/firefox.desktop"; expected = "/usr/share/applications/firefox-esr.desktop"; };
}
