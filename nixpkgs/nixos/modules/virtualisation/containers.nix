# `virtualisation.docker`, `virtualisation.podman`: Debian's.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  docker = config.virtualisation.docker;
  podman = config.virtualisation.podman;
  flag = default: description: mkOption { type = types.bool; inherit default description; };
  json = pkgs.formats.json { };
  toml = pkgs.formats.toml { };

  # Programs of the store are links to Debian's. A container that is given the store without a `/usr` of its own, as any
  # program of NixOS would need no more, is given the machine's too.
  storeRuntime = pkgs.writeShellScript "runc-with-store" ''
    bundle= previous=
    for word; do
      [ "$previous" = --bundle ] && bundle=$word
      previous=$word
    done
    if [ -n "$bundle" ] && root=$(${pkgs.jq}/bin/jq -er '
      select(any(.mounts[]; .destination == "/nix/store" or .destination == "/nix"))
      | select(all(.mounts[]; .destination != "/usr")) | .root.path' "$bundle/config.json"); then
      case $root in /*) ;; *) root=$bundle/$root ;; esac
      if ! [ -e "$root/usr" ]; then
        missing=/usr:/usr
        for directory in lib lib64; do
          [ -e "$root/$directory" ] || missing="$missing /usr/$directory:/$directory"
        done
        [ -e "$root/etc/alternatives" ] || missing="$missing /etc/alternatives:/etc/alternatives"
        ${pkgs.jq}/bin/jq --arg missing "$missing" '
          (.mounts | map(.destination)) as $taken
          | .mounts = [
              $missing | split(" ")[] | split(":") | select(.[1] | IN($taken[]) | not)
              | { source: .[0], destination: .[1], type: "bind", options: ["rbind", "ro", "rprivate"] }
            ] + .mounts' "$bundle/config.json" >"$bundle/config.json.new" &&
          mv "$bundle/config.json.new" "$bundle/config.json"
      fi
    fi
    exec /usr/sbin/runc "$@"
  '';
  daemonSettings = lib.recursiveUpdate {
    runtimes.store.path = "${storeRuntime}";
    default-runtime = "store";
  } docker.daemon.settings;
in
{
  options.virtualisation = {
    docker = {
      enable = flag false "Whether Docker runs.";
      enableOnBoot = flag true "Whether Docker runs from boot on, rather than from the first use.";
      listenOptions = mkOption { type = types.listOf types.str; default = [ "/run/docker.sock" ]; description = "Where Docker listens."; };
      daemon.settings = mkOption { type = types.submodule { freeformType = json.type; }; default = { }; description = "daemon.json."; };
      storageDriver = mkOption { type = types.nullOr types.str; default = null; description = "How images are kept."; };
      logDriver = mkOption { type = types.str; default = "journald"; description = "Where containers log to."; };
      liveRestore = flag true "Whether containers live on while Docker is restarted.";
      extraOptions = mkOption { type = types.separatedString " "; default = ""; description = "Arguments of dockerd."; };
      extraPackages = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages whose programs dockerd uses."; };
      package = mkOption { type = types.package; default = pkgs.docker; description = "Docker: Debian's."; };
      enableNvidia = mkOption { type = types.bool; default = false; apply = value: if value then throw "virtualisation.docker.enableNvidia is not supported" else value; description = "Not supported."; };
      autoPrune = {
        enable = flag false "Whether unused images are removed from time to time.";
        flags = mkOption { type = types.listOf types.str; default = [ ]; description = "Arguments of `docker system prune`."; };
        dates = mkOption { type = types.str; default = "weekly"; description = "When."; };
        persistent = flag true "Whether a missed time is made up for.";
        randomizedDelaySec = mkOption { type = types.singleLineStr; default = "0"; description = "By how much the time varies."; };
      };
      rootless = {
        enable = flag false "Not supported: a Docker of one's own.";
        setSocketVariable = flag false "Not supported: a Docker of one's own.";
      };
    };
    podman = {
      enable = flag false "Whether podman is installed.";
      dockerCompat = flag false "Whether podman answers to `docker`.";
      dockerSocket.enable = flag false "Whether podman listens at Docker's socket.";
      package = mkOption { type = types.package; default = pkgs.podman; description = "podman: Debian's."; };
      extraPackages = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages whose programs podman uses."; };
      defaultNetwork.settings = mkOption { type = json.type; default = { }; description = "Settings of the network `podman`."; };
      autoPrune.enable = mkOption { type = types.bool; default = false; apply = value: if value then throw "virtualisation.podman.autoPrune is not supported" else value; description = "Not supported."; };
    };
    containers = {
      enable = flag podman.enable "Whether containers' common configuration is there.";
      registries = {
        search = mkOption { type = types.listOf types.str; default = [ "docker.io" "quay.io" ]; description = "Registries that images are looked for in."; };
        insecure = mkOption { type = types.listOf types.str; default = [ ]; description = "Registries without TLS."; };
        block = mkOption { type = types.listOf types.str; default = [ ]; description = "Registries that are not used."; };
      };
      policy = mkOption { type = types.attrs; default = { }; description = "policy.json."; };
      storage.settings = mkOption { type = toml.type; default = { }; description = "storage.conf."; };
      containersConf.settings = mkOption { type = toml.type; default = { }; description = "containers.conf."; };
    };
  };

  config = lib.mkMerge [
    (lib.mkIf docker.enable {
      snowglobe.refused = lib.optionalAttrs (docker.rootless.enable || docker.rootless.setSocketVariable) { "virtualisation.docker.rootless" = "only the system's Docker is set up"; };
      boot.kernelModules = [ "bridge" "veth" "br_netfilter" "xt_nat" "xt_addrtype" "xt_MASQUERADE" "nft_chain_nat" "nf_nat" ];
      boot.kernel.sysctl = {
        "net.ipv4.conf.all.forwarding" = lib.mkOverride 98 true;
        "net.ipv4.conf.default.forwarding" = lib.mkOverride 98 true;
      };
      environment.systemPackages = [ docker.package ];
      users.groups.docker.gid = config.ids.gids.docker;
      environment.etc."docker/daemon.json".text = builtins.toJSON daemonSettings;
      systemd.services.docker = {
        description = "Docker Application Container Engine";
        wantedBy = lib.optional docker.enableOnBoot "multi-user.target";
        after = [ "network.target" "docker.socket" ];
        requires = [ "docker.socket" ];
        path = [ pkgs.kmod pkgs.iptables ] ++ docker.extraPackages;
        environment = config.networking.proxy.envVars;
        serviceConfig = {
          Type = "notify";
          ExecStart = [
            ""
            "/usr/sbin/dockerd --host=fd:// --group=docker --log-driver=${docker.logDriver}${lib.optionalString (docker.storageDriver != null) " --storage-driver=${docker.storageDriver}"}${
              lib.optionalString docker.liveRestore " --live-restore"
            } ${docker.extraOptions}"
          ];
          ExecReload = [ "" "/bin/kill -s HUP $MAINPID" ];
          Delegate = true;
          KillMode = "process";
          TasksMax = "infinity";
          LimitNOFILE = 1048576;
        };
        overrideStrategy = "asDropin";
      };
      systemd.sockets.docker = {
        description = "Docker Socket for the API";
        wantedBy = [ "sockets.target" ];
        socketConfig = {
          ListenStream = docker.listenOptions;
          SocketMode = "0660";
          SocketUser = "root";
          SocketGroup = "docker";
        };
      };
      systemd.services.docker-prune = lib.mkIf docker.autoPrune.enable {
        description = "Prune docker resources";
        restartIfChanged = false;
        unitConfig.X-StopOnRemoval = false;
        serviceConfig.Type = "oneshot";
        serviceConfig.ExecStart = "/usr/bin/docker system prune -f ${toString docker.autoPrune.flags}";
        startAt = docker.autoPrune.dates;
        after = [ "docker.service" ];
        requires = [ "docker.service" ];
      };
      systemd.timers.docker-prune = lib.mkIf docker.autoPrune.enable {
        timerConfig = {
          Persistent = docker.autoPrune.persistent;
          RandomizedDelaySec = docker.autoPrune.randomizedDelaySec;
        };
      };
    })
    (lib.mkIf podman.enable {
      assertions = [
        { assertion = podman.dockerCompat -> !docker.enable; message = "virtualisation.podman.dockerCompat conflicts with virtualisation.docker.enable."; }
      ];
      environment.systemPackages = [ podman.package ] ++ podman.extraPackages ++ lib.optional podman.dockerCompat (
        pkgs.linkFarm "docker-compat" [ { name = "bin/docker"; path = "/usr/bin/podman"; } ]
      );
      boot.kernelModules = [ "bridge" "veth" "xt_addrtype" "xt_MASQUERADE" "nft_chain_nat" "nf_nat" "fuse" ];
      users.groups.podman = { };
      systemd.units."podman.socket" = { overrideStrategy = "asDropin"; wantedBy = [ "sockets.target" ]; text = "[Socket]\nSocketGroup=podman\nSocketMode=0660\n"; };
      systemd.tmpfiles.rules = lib.optional podman.dockerSocket.enable "L! /run/docker.sock - - - - /run/podman/podman.sock";
      environment.etc."containers/networks/podman.json" = lib.mkIf (podman.defaultNetwork.settings != { }) {
        text = builtins.toJSON (
          {
            driver = "bridge";
            id = "0000000000000000000000000000000000000000000000000000000000000000";
            internal = false;
            ipam_options.driver = "host-local";
            ipv6_enabled = false;
            name = "podman";
            network_interface = "podman0";
            subnets = [ { gateway = "10.88.0.1"; subnet = "10.88.0.0/16"; } ];
          }
          // podman.defaultNetwork.settings
        );
      };
    })
    (lib.mkIf config.virtualisation.containers.enable {
      environment.etc = {
        "containers/registries.conf".text = ''
          unqualified-search-registries = [${lib.concatMapStringsSep ", " (name: "\"${name}\"") config.virtualisation.containers.registries.search}]
          ${lib.concatMapStrings (name: "[[registry]]\nlocation = \"${name}\"\ninsecure = true\n") config.virtualisation.containers.registries.insecure}
          ${lib.concatMapStrings (name: "[[registry]]\nlocation = \"${name}\"\nblocked = true\n") config.virtualisation.containers.registries.block}
        '';
        "containers/policy.json".text = builtins.toJSON (
          if config.virtualisation.containers.policy != { } then config.virtualisation.containers.policy else { default = [ { type = "insecureAcceptAnything"; } ]; }
        );
      };
      snowglobe.refused = lib.optionalAttrs (config.virtualisation.containers.storage.settings != { } || config.virtualisation.containers.containersConf.settings != { }) {
        "virtualisation.containers.storage.settings" = "Debian's configuration of storage is used";
      };
    })
  ];
}
