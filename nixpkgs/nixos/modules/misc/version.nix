# `system.nixos`, `system.stateVersion`, /etc/os-release.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.system.nixos;

  fixed = default: description: mkOption {
    type = types.str;
    inherit default description;
  };
in
{
  options = {
    system = {
      stateVersion = mkOption {
        type = types.str;
        default = lib.trivial.release;
        description = "The version that the machine was first installed with; modules keep to its data formats.";
      };
      nixos = {
        version = mkOption { type = types.str; default = "${lib.trivial.release}.snowglobe"; internal = true; description = "Full version."; };
        release = fixed lib.trivial.release "Release." // { readOnly = true; };
        versionSuffix = fixed ".snowglobe" "Suffix of the version.";
        revision = mkOption { type = types.nullOr types.str; default = null; internal = true; description = "Revision of the library: none."; };
        codeName = fixed "Snowglobe" "Name of the release.";
        label = mkOption { type = types.str; default = cfg.version; description = "Label of the system."; };
        tags = mkOption { type = types.listOf types.str; default = [ ]; description = "Tags in the label."; };
        distroId = fixed "nixos" "Identifier in os-release.";
        distroName = fixed "NixOS" "Name in os-release.";
        variant_id = mkOption { type = types.nullOr types.str; default = null; description = "Variant in os-release."; };
        variantName = mkOption { type = types.nullOr types.str; default = null; description = "Name of the variant in os-release."; };
        vendorId = fixed "nixos" "Vendor in os-release.";
        vendorName = fixed "NixOS" "Name of the vendor in os-release.";
        extraOSReleaseArgs = mkOption { type = types.attrsOf types.str; default = { }; description = "Further lines of os-release."; };
        extraLSBReleaseArgs = mkOption { type = types.attrsOf types.str; default = { }; description = "Further lines of lsb-release."; };
      };
      image = {
        id = mkOption { type = types.nullOr types.str; default = null; description = "Image in os-release."; };
        version = mkOption { type = types.nullOr types.str; default = null; description = "Version of the image in os-release."; };
      };
      configurationRevision = mkOption { type = types.nullOr types.str; default = null; description = "Without effect: machines have no program nixos-version that would show it."; };
      copySystemConfiguration = mkOption { type = types.bool; default = false; description = "Not supported."; };
      autoUpgrade.enable = mkOption { type = types.bool; default = false; description = "Not supported: there is no Nix in a machine."; };
    };
  };

  config = {
    snowglobe.refused =
      lib.optionalAttrs config.system.copySystemConfiguration { "system.copySystemConfiguration" = "there is no configuration.nix in a machine"; }
      // lib.optionalAttrs config.system.autoUpgrade.enable { "system.autoUpgrade.enable" = "there is no Nix in a machine"; };

    system.nixos.label = lib.mkDefault (lib.concatStringsSep "-" (lib.sort builtins.lessThan cfg.tags ++ [ cfg.version ]));

    environment.etc = {
      "os-release".text =
        let
          quoted = lib.mapAttrsToList (name: value: "${name}=\"${lib.replaceStrings [ "\"" "$" "`" "\\" ] [ "\\\"" "\\$" "\\`" "\\\\" ] value}\"\n");
          version = "${cfg.release} (${cfg.codeName})";
        in
        lib.concatStrings (
          [ "NAME=${cfg.distroName}\n" "ID=${cfg.distroId}\n" "VERSION_ID=\"${cfg.release}\"\n" ]
          ++ quoted (
            {
              BUILD_ID = cfg.version;
              VERSION = version;
              VERSION_CODENAME = lib.toLower cfg.codeName;
              PRETTY_NAME = "${cfg.distroName} ${version}";
              LOGO = "nix-snowflake";
              VENDOR_NAME = cfg.vendorName;
              CPE_NAME = "cpe:/o:${cfg.vendorId}:${cfg.distroId}:${cfg.release}";
            }
            // lib.optionalAttrs (config.system.image.id != null) { IMAGE_ID = config.system.image.id; }
            // lib.optionalAttrs (config.system.image.version != null) { IMAGE_VERSION = config.system.image.version; }
            // lib.optionalAttrs (cfg.variant_id != null) { VARIANT_ID = cfg.variant_id; }
            // lib.optionalAttrs (cfg.variantName != null) { VARIANT = cfg.variantName; }
            // cfg.extraOSReleaseArgs
          )
        );
      "lsb-release".text = lib.concatStrings (
        lib.mapAttrsToList (name: value: "${name}=\"${value}\"\n") (
          {
            LSB_VERSION = "${cfg.release} (${cfg.codeName})";
            DISTRIB_ID = cfg.distroId;
            DISTRIB_RELEASE = cfg.release;
            DISTRIB_CODENAME = lib.toLower cfg.codeName;
            DISTRIB_DESCRIPTION = "${cfg.distroName} ${cfg.release} (${cfg.codeName})";
          }
          // cfg.extraLSBReleaseArgs
        )
      );
    };
  };
}
