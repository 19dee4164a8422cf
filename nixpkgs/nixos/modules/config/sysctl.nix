# `boot.kernel.sysctl`.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  value = types.nullOr (types.oneOf [ types.bool types.int types.str ]);
  text = value: if value == true then "1" else if value == false then "0" else toString value;
in
{
  options.boot.kernel.sysctl = mkOption {
    type = types.submodule {
      freeformType = types.attrsOf value;
      # The largest of several demands counts.
      options."net.core.rmem_max" = mkOption {
        type = types.nullOr types.ints.unsigned // {
          merge = loc: defs: lib.foldl (a: b: if b.value == null then null else lib.max a b.value) 0 (lib.filterOverrides defs);
        };
        default = null;
        description = "Largest receive buffer of a socket.";
      };
      options."net.core.wmem_max" = mkOption {
        type = types.nullOr types.ints.unsigned // {
          merge = loc: defs: lib.foldl (a: b: if b.value == null then null else lib.max a b.value) 0 (lib.filterOverrides defs);
        };
        default = null;
        description = "Largest send buffer of a socket.";
      };
    };
    default = { };
    example = { "net.ipv4.ip_forward" = 1; };
    description = "Parameters of the kernel.";
  };

  config = {
    environment.etc."sysctl.d/60-nixos.conf".text = lib.concatStrings (
      lib.mapAttrsToList (name: value: lib.optionalString (value != null) "${name}=${text value}\n") config.boot.kernel.sysctl
    );

    boot.kernel.sysctl = {
      "kernel.kptr_restrict" = lib.mkDefault 1;
      "kernel.yama.ptrace_scope" = lib.mkDefault 1;
      "fs.inotify.max_user_instances" = lib.mkDefault 524288;
      "fs.inotify.max_user_watches" = lib.mkDefault 524288;
      "kernel.pid_max" = lib.mkDefault 4194304;
      "kernel.printk" = lib.mkDefault config.boot.consoleLogLevel;
      "net.ipv4.conf.all.promote_secondaries" = lib.mkDefault 1;
      "net.ipv4.conf.default.promote_secondaries" = lib.mkDefault 1;
    };
  };
}
