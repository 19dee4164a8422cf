# `services.keepalived`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption optionalString concatMapStrings;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package required;
  cfg = config.services.keepalived;

  address = ip:
    ip.addr
    + optionalString (ip.brd != null) " brd ${ip.brd}"
    + optionalString (ip.dev != null) " dev ${ip.dev}"
    + optionalString (ip.scope != null) " scope ${ip.scope}"
    + optionalString (ip.label != null) " label ${ip.label}"
    + "\n";
  addressOptions.options = {
    addr = required types.str "Address and prefix.";
    brd = maybe types.str "Broadcast address.";
    dev = maybe types.str "Interface.";
    scope = maybe (types.enum [ "site" "link" "host" "nowhere" "global" ]) "Scope.";
    label = maybe types.str "Label.";
  };

  instanceText = name: instance: ''
    vrrp_instance ${name} {
      interface ${instance.interface}
      state ${instance.state}
      virtual_router_id ${toString instance.virtualRouterId}
      priority ${toString instance.priority}
      ${optionalString instance.noPreempt "nopreempt"}
      ${optionalString instance.useVmac "use_vmac${optionalString (instance.vmacInterface != null) " ${instance.vmacInterface}"}"}
      ${optionalString instance.vmacXmitBase "vmac_xmit_base"}
      ${optionalString (instance.unicastSrcIp != null) "unicast_src_ip ${instance.unicastSrcIp}"}
      ${optionalString (instance.unicastPeers != [ ]) "unicast_peer {\n${lib.concatStringsSep "\n" instance.unicastPeers}\n}"}
      virtual_ipaddress {
        ${concatMapStrings address instance.virtualIps}
      }
      ${optionalString (instance.trackScripts != [ ]) "track_script {\n${lib.concatStringsSep "\n" instance.trackScripts}\n}"}
      ${optionalString (instance.trackInterfaces != [ ]) "track_interface {\n${lib.concatStringsSep "\n" instance.trackInterfaces}\n}"}
      ${instance.extraConfig}
    }
  '';
  scriptText = name: script: ''
    vrrp_script ${name} {
      script "${script.script}"
      interval ${toString script.interval}
      ${optionalString (script.timeout != null) "timeout ${toString script.timeout}"}
      ${optionalString (script.weight != null) "weight ${toString script.weight}"}
      ${optionalString (script.fall != null) "fall ${toString script.fall}"}
      ${optionalString (script.rise != null) "rise ${toString script.rise}"}
      user ${script.user}${optionalString (script.group != null) " ${script.group}"}
      ${script.extraConfig}
    }
  '';
  configFile = pkgs.writeText "keepalived.conf" ''
    global_defs {
      ${optionalString cfg.enableScriptSecurity "enable_script_security"}
      ${cfg.extraGlobalDefs}
    }
    ${lib.concatStrings (lib.mapAttrsToList scriptText cfg.vrrpScripts)}
    ${lib.concatStrings (lib.mapAttrsToList instanceText cfg.vrrpInstances)}
    ${cfg.extraConfig}
  '';
in
{
  options.services.keepalived = {
    enable = enable "Keepalived, which keeps addresses alive";
    package = package "keepalived" pkgs.keepalived;
    openFirewall = flag false "Whether the firewall lets VRRP through.";
    enableScriptSecurity = flag false "Whether scripts that others may change are refused.";
    snmp.enable = flag false "Not supported.";
    vrrpInstances = option (types.attrsOf (types.submodule {
      options = {
        interface = required types.str "Interface.";
        state = option (types.enum [ "MASTER" "BACKUP" ]) "BACKUP" "What the machine starts as.";
        virtualRouterId = required (types.ints.between 1 255) "Number of the group.";
        priority = option types.int 100 "The highest has the addresses.";
        noPreempt = flag false "Whether a higher priority does not take them back.";
        useVmac = flag false "Whether the addresses have a card address of their own.";
        vmacInterface = maybe types.str "Name of the interface for that.";
        vmacXmitBase = flag false "Whether messages leave by the base interface.";
        unicastSrcIp = maybe types.str "Address of messages.";
        unicastPeers = option (types.listOf types.str) [ ] "Who gets messages, instead of everybody.";
        virtualIps = option (types.listOf (types.submodule addressOptions)) [ ] "The addresses.";
        trackScripts = option (types.listOf types.str) [ ] "Scripts that tell whether the machine is well.";
        trackInterfaces = option (types.listOf types.str) [ ] "Interfaces that have to be up.";
        extraConfig = lines "Further text of the instance.";
      };
    })) { } "Groups of machines, by name.";
    vrrpScripts = option (types.attrsOf (types.submodule {
      options = {
        script = required types.str "The command.";
        interval = option types.int 1 "Seconds between runs.";
        timeout = maybe types.int "Seconds until it has failed.";
        weight = maybe types.int "What failing adds to the priority.";
        rise = maybe types.int "Successes that count as success.";
        fall = maybe types.int "Failures that count as failure.";
        user = option types.str "keepalived_script" "User of the script.";
        group = maybe types.str "Group of the script.";
        extraConfig = lines "Further text of the script.";
      };
    })) { } "Scripts, by name.";
    extraGlobalDefs = lines "Further text of `global_defs`.";
    extraConfig = lines "Further text of the configuration.";
    secretFile = maybe types.path "File with variables that the configuration uses.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !cfg.snmp.enable;
        message = "services.keepalived.snmp is not supported";
      }
      {
        assertion = cfg.secretFile == null;
        message = "services.keepalived.secretFile is not supported";
      }
    ]
    ++ lib.mapAttrsToList (name: instance: {
      assertion = !(instance.noPreempt && instance.state == "MASTER");
      message = "services.keepalived.vrrpInstances.${name}: noPreempt needs the state BACKUP";
    }) cfg.vrrpInstances;

    networking.firewall = mkIf cfg.openFirewall {
      extraCommands = mkIf (!config.networking.nftables.enable) ''
        ip46tables -A nixos-fw -p vrrp -m comment --comment "services.keepalived.openFirewall" -j ACCEPT
        ip46tables -A nixos-fw -p ah -m comment --comment "services.keepalived.openFirewall" -j ACCEPT
      '';
      extraInputRules = mkIf config.networking.nftables.enable ''
        ip protocol vrrp accept
        ip protocol ah accept
      '';
    };

    users.users.keepalived_script = {
      isSystemUser = true;
      group = "keepalived_script";
    };
    users.groups.keepalived_script = { };

    systemd.services.keepalived = {
      description = "Keepalive Daemon (LVS and VRRP)";
      after = [ "network.target" "network-online.target" "syslog.target" ];
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        Type = "forking";
        PIDFile = "/run/keepalived.pid";
        KillMode = "process";
        RuntimeDirectory = "keepalived";
        ExecStart = "${cfg.package}/bin/keepalived -f ${configFile} -p /run/keepalived.pid";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        Restart = "always";
        RestartSec = "1s";
      };
    };
  };
}
