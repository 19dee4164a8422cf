# `services.openvpn`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag lines required;
  cfg = config.services.openvpn;
  programs = lib.makeBinPath [ pkgs.iptables pkgs.iproute2 pkgs.nettools pkgs.coreutils ];
  # Scripts of clients find a domain and a name server that were pushed to them.
  up = name: server: pkgs.writeShellScript "openvpn-${name}-up" ''
    export PATH=${programs}
    for variable in ''${!foreign_option_*}; do
      words=(''${!variable})
      if [ "''${words[0]}" = dhcp-option ]; then
        case ''${words[1]} in
          DOMAIN) domain=''${words[2]} ;;
          DNS) nameserver=''${words[2]} ;;
        esac
      fi
    done
    ${server.up}
  '';
  down = name: server: pkgs.writeShellScript "openvpn-${name}-down" "export PATH=${programs}\n${server.down}";
  configFile = name: server: pkgs.writeText "openvpn-config-${name}" ''
    errors-to-stderr
    ${optionalString (server.up != "" || server.down != "") "script-security 2"}
    ${server.config}
    ${optionalString (server.up != "") "up ${up name server}"}
    ${optionalString (server.down != "") "down ${down name server}"}
    ${optionalString (server.authUserPass != null) "auth-user-pass ${pkgs.writeText "openvpn-credentials-${name}" "${server.authUserPass.username}\n${server.authUserPass.password}\n"}"}
  '';
in
{
  options.services.openvpn = {
    servers = option (types.attrsOf (types.submodule {
      options = {
        config = required types.lines "Text of the configuration.";
        up = lines "Commands that run once the tunnel is there.";
        down = lines "Commands that run when it goes.";
        autoStart = flag true "Whether it starts with the machine.";
        updateResolvConf = flag false "Not supported: resolv.conf from what the server pushes.";
        authUserPass = option (types.nullOr (types.submodule {
          options = {
            username = required types.str "Name.";
            password = required types.str "Password.";
          };
        })) null "Name and password for the server.";
      };
    })) { } "Tunnels, by name; each is a unit openvpn-NAME.";
    restartAfterSleep = flag true "Whether tunnels are made anew after the machine slept.";
  };

  config = mkIf (cfg.servers != { }) {
    snowglobe.refused = lib.mapAttrs' (name: _: lib.nameValuePair "services.openvpn.servers.${name}.updateResolvConf" "Debian's openvpn has no such script") (
      lib.filterAttrs (_: server: server.updateResolvConf) cfg.servers
    );
    environment.systemPackages = [ pkgs.openvpn ];
    boot.kernelModules = [ "tun" ];
    systemd.services = lib.mapAttrs' (name: server: lib.nameValuePair "openvpn-${name}" {
      description = "OpenVPN instance ‘${name}’";
      wantedBy = lib.optional server.autoStart "multi-user.target";
      after = [ "network.target" ];
      path = [ pkgs.iptables pkgs.iproute2 pkgs.nettools ];
      serviceConfig = {
        ExecStart = "@${pkgs.openvpn}/bin/openvpn openvpn --suppress-timestamps --config ${configFile name server}";
        Restart = "always";
        Type = "notify";
      };
    }) cfg.servers
    // lib.optionalAttrs cfg.restartAfterSleep {
      openvpn-restart = {
        description = "Sends a signal to OpenVPN process to trigger a restart after return from sleep";
        wantedBy = [ "sleep.target" ];
        script = "systemctl try-restart ${lib.escapeShellArgs (map (name: "openvpn-${name}.service") (lib.attrNames cfg.servers))}";
      };
    };
  };
}
