# `systemd.user.*`: units of the users' managers.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.systemd.user;
  units = import ./lib.nix { inherit lib pkgs; };
  o = units.options;
  upstream = import ./upstream-units.nix;

  kind =
    suffix: options: description:
    mkOption {
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            options = o.common // options;
            config.name = "${name}.${suffix}";
          }
        )
      );
      default = { };
      inherit description;
    };

  service = units.service {
    globalEnvironment = { };
    inherit (units) searchPath;
    # A user's programs are those of the user's session.
    defaultPath = [ pkgs.coreutils pkgs.findutils pkgs.gnugrep pkgs.gnused config.systemd.package ];
  };
  each = write: suffix: lib.mapAttrs' (name: unit: lib.nameValuePair "${name}.${suffix}" (write name unit));

  rendered =
    each units.target "target" cfg.targets
    // each service "service" cfg.services
    // each units.socket "socket" cfg.sockets
    // each units.timer "timer" cfg.timers
    // each units.path "path" cfg.paths
    // each units.slice "slice" cfg.slices
    // lib.mapAttrs' (
      name: unit:
      lib.nameValuePair "${name}.timer" {
        enable = true;
        overrideStrategy = "asDropinIfExists";
        wantedBy = [ "timers.target" ];
        text = "[Unit]\n\n[Timer]\n${units.directives { OnCalendar = unit.startAt; }}";
      }
    ) (lib.filterAttrs (name: unit: unit.startAt != [ ] && !(cfg.timers ? ${name})) cfg.services)
    // cfg.units;

  # Units that desktops bring for users; a definition is added to them.
  desktop = [
    "org.gnome.Shell@wayland.service" "org.gnome.Shell@x11.service" "gnome-session.target" "gnome-session@gnome.target"
    "pipewire.service" "pipewire.socket" "pipewire-pulse.service" "pipewire-pulse.socket" "wireplumber.service"
    "gpg-agent.service" "gpg-agent.socket" "ssh-agent.service" "podman.service" "podman.socket"
  ];
in
{
  options.systemd.user = {
    units = mkOption {
      type = types.attrsOf (types.submodule { options = builtins.removeAttrs o.concrete [ "unit" ]; });
      default = { };
      description = "Units given as the text of their files.";
    };
    services = kind "service" o.service "Services of users.";
    targets = kind "target" { } "Targets of users.";
    sockets = kind "socket" o.socket "Sockets of users.";
    timers = kind "timer" o.timer "Timers of users.";
    paths = kind "path" o.path "Paths that users' managers watch.";
    slices = kind "slice" o.slice "Slices of users.";
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Text of user.conf's section `[Manager]`.";
    };
    settings.Manager = o.section "Directives of the section `[Manager]` of user.conf.";
    generators = mkOption {
      type = types.attrsOf types.path;
      default = { };
      description = "Programs that make units of users' managers; /dev/null turns one off.";
    };
  };

  config = {
    systemd.user.settings.Manager.StatusUnitFormat = lib.mkDefault "description";
    environment.etc = {
      "systemd/user".source = derivation {
        name = "user-units";
        system = pkgs.stdenv.hostPlatform.system;
        builder = "builtin:tree";
        preferLocalBuild = true;
        entries = builtins.toJSON (
          map (entry: if entry.type == "text" then entry // { executable = false; } else entry) (
            units.unitEntries {
              scope = "user";
              units = rendered;
              known = lib.genAttrs (upstream.user ++ desktop) (_: true);
              masked = [ "systemd-tmpfiles-clean.timer" ];
            }
          )
        );
      };
      "systemd/user.conf".text = "[Manager]\n${units.directives cfg.settings.Manager}${cfg.extraConfig}";
    }
    // lib.mapAttrs' (
      name: target: lib.nameValuePair "systemd/user-generators/${name}" { source = target; mode = "direct-symlink"; }
    ) cfg.generators;
  };
}
