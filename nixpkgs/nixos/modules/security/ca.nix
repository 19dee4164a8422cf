# `security.pki`: whom machines trust.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.security.pki;

  bundle = "/etc/ssl/certs/ca-certificates.crt";
  base = "${cfg.cacertPackage}/etc/ssl/certs/ca-bundle.crt";
  own =
    lib.filter (file: "${file}" != base) cfg.certificateFiles
    ++ lib.optional (cfg.certificates != [ ]) (pkgs.writeText "certificates.pem" (lib.concatLines cfg.certificates));
in
{
  options.security.pki = {
    installCACerts = mkOption { type = types.bool; default = true; description = "Whether the usual authorities are trusted."; };
    useCompatibleBundle = mkOption { type = types.bool; default = false; description = "Harmless: Debian's bundle is without trust rules anyway."; };
    cacertPackage = mkOption { type = types.package; default = pkgs.cacert; internal = true; description = "The usual authorities."; };
    certificateFiles = mkOption { type = types.listOf types.path; default = [ ]; description = "Files of certificates that are trusted."; };
    certificates = mkOption { type = types.listOf types.str; default = [ ]; description = "Certificates that are trusted."; };
    caCertificateBlacklist = mkOption { type = types.listOf types.str; default = [ ]; description = "Not supported: authorities that are not trusted."; };
    caBundle = mkOption { type = types.path; readOnly = true; default = "/etc/ssl/certs/ca-bundle.crt"; description = "All that are trusted."; };
  };

  config = lib.mkIf cfg.installCACerts {
    snowglobe.refused = lib.optionalAttrs (cfg.caCertificateBlacklist != [ ]) {
      "security.pki.caCertificateBlacklist" = "Debian's bundle is taken as it is";
    };
    snowglobe.system.debianPackages = [ "ca-certificates" ];

    # Where programs of NixOS, of Debian and of others look.
    environment.etc = {
      "ssl/certs/ca-bundle.crt" = lib.mkIf (own == [ ]) { source = bundle; mode = "direct-symlink"; };
      "pki/tls/certs/ca-bundle.crt" = { source = cfg.caBundle; mode = "direct-symlink"; };
    };

    # Files that are built are only there in the machine, so that the bundle is joined there.
    system.activationScripts.certificates = lib.mkIf (own != [ ]) {
      text = ''
        cat /usr/share/ca-certificates/mozilla/*.crt ${lib.concatMapStringsSep " " (file: "${file}") own} > ${cfg.caBundle}.new
        mv -f ${cfg.caBundle}.new ${cfg.caBundle}
        ln -sfn ca-bundle.crt ${bundle}
      '';
    };
  };
}
