# `services.kerberos_server` and `security.krb5`: MIT's Kerberos.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option enable lines package required;
  server = config.services.kerberos_server;
  krb5 = config.security.krb5;
  realms = if server.settings.realms or { } != { } then server.settings.realms else server.realms;

  aclOptions = {
    options = {
      principal = required types.str "Whom.";
      access = option (types.either (types.listOf (types.enum [ "all" "add" "cpw" "delete" "get-keys" "get" "list" "modify" ])) (types.enum [ "all" "add" "cpw" "delete" "get-keys" "get" "list" "modify" ])) "all" "What is allowed.";
      target = option types.str "*" "With whom.";
    };
  };
  letters = { add = "a"; cpw = "c"; delete = "d"; get = "i"; list = "l"; modify = "m"; get-keys = "e"; all = "*"; };
  aclFile = name: realm: pkgs.writeText "${name}.acl" (
    lib.concatMapStrings (entry: "${entry.principal} ${lib.concatMapStrings (what: letters.${what}) (lib.toList entry.access)} ${entry.target}\n") realm.acl
  );
  value = types.oneOf [ types.bool types.int types.str types.path ];
  # MIT's profiles: sections, sets in braces, and a line for each element of a list.
  render = depth: set: lib.concatStrings (lib.mapAttrsToList (key: v:
    if lib.isAttrs v && !(lib.isDerivation v) then "${depth}${key} = {\n${render "${depth}  " v}${depth}}\n"
    else lib.concatMapStrings (one: "${depth}${key} = ${if lib.isBool one then lib.boolToString one else toString one}\n") (lib.toList v)) set);
  profile = sections: lib.concatStrings (lib.mapAttrsToList (name: set: lib.optionalString (set != { }) "[${name}]\n${render "  " set}\n") sections);
  freeform = types.attrsOf (types.either (types.attrsOf types.anything) (types.either value (types.listOf value)));
  kdcConf = pkgs.writeText "kdc.conf" ''
    [realms]
    ${lib.concatStrings (lib.mapAttrsToList (name: realm: "  ${name} = {\n    acl_file = ${aclFile name realm}\n  }\n") realms)}
    ${server.extraConfig}
  '';
  unit = program: {
    wantedBy = [ "multi-user.target" ];
    after = [ "network.target" ];
    environment.KRB5_KDC_PROFILE = kdcConf;
    preStart = "mkdir -m 0755 -p /var/lib/krb5kdc";
    restartTriggers = [ kdcConf ];
    serviceConfig = {
      Type = "forking";
      Slice = "system-kerberos-server.slice";
      ExecStart = program;
    };
  };
in
{
  options = {
    services.kerberos_server = {
      enable = enable "the Kerberos server";
      realms = option (types.attrsOf (types.submodule { options.acl = option (types.listOf (types.submodule aclOptions)) [ { principal = "*/admin"; access = "all"; } { principal = "admin"; access = "all"; } ] "Who may govern what."; })) { } "Realms, by name.";
      settings.realms = option (types.attrsOf (types.submodule { options.acl = option (types.listOf (types.submodule aclOptions)) [ { principal = "*/admin"; access = "all"; } { principal = "admin"; access = "all"; } ] "Who may govern what."; })) { } "Realms, by name: where they are set today.";
      extraConfig = lines "Further text of kdc.conf.";
    };
    security.krb5 = {
      enable = enable "Kerberos' programs and krb5.conf";
      package = package "krb5" pkgs.krb5;
      settings = mkOption {
        default = { };
        description = "Settings of krb5.conf, section by section.";
        type = types.submodule {
          freeformType = types.attrsOf freeform;
          options = {
            libdefaults = option freeform { } "What programs of Kerberos assume.";
            realms = option freeform { } "Realms, by name.";
            domain_realm = option freeform { } "Realms of domains.";
            include = option (types.listOf types.path) [ ] "Files that are included.";
            includedir = option (types.listOf types.path) [ ] "Folders that are included.";
          };
        };
      };
    };
  };

  config = lib.mkMerge [
    (mkIf krb5.enable {
      environment.systemPackages = [ krb5.package ];
      environment.etc."krb5.conf".text =
        lib.concatMapStrings (file: "include ${file}\n") krb5.settings.include
        + lib.concatMapStrings (file: "includedir ${file}\n") krb5.settings.includedir
        + profile (removeAttrs krb5.settings [ "include" "includedir" ]);
    })
    (mkIf server.enable {
      assertions = [ { assertion = lib.length (lib.attrNames realms) <= 1; message = "services.kerberos_server: only one realm per server is supported"; } ];
      environment.systemPackages = [ pkgs.krb5 ];
      environment.etc."krb5kdc/kdc.conf".source = kdcConf;
      environment.variables.KRB5_KDC_PROFILE = kdcConf;
      systemd.slices.system-kerberos-server = { };
      systemd.services.kdc = unit "${pkgs.krb5}/bin/krb5kdc" // { description = "Key Distribution Center daemon"; };
      systemd.services.kadmind = unit "${pkgs.krb5}/bin/kadmind" // { description = "Kerberos Administration Daemon"; };
    })
  ];
}
