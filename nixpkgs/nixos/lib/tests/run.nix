# Tests of the testing framework: what becomes of test expressions. Evaluates to the list of failures.
#
#     nix-instantiate --eval --strict nixpkgs/nixos/lib/tests/run.nix
let
  lib = import ../../../lib;
  pkgs = import ../../.. { config = { }; overlays = [ ]; };
  plan = value: import ../../../snowglobe/plan.nix { inherit value; };
  planAt = attrPath: value: import ../../../snowglobe/plan.nix { inherit attrPath value; };
  one = value: lib.head (plan value).tests;
  node = name: value: lib.findFirst (n: n.name == name) null (one value).nodes;
  machine = configuration: node "machine" { name = "t"; nodes.machine = configuration; testScript = ""; };
  names' = arguments: value: map (t: t.name) (import ../../../snowglobe/plan.nix { inherit arguments value; }).tests;
  names = value: map (t: t.name) (plan value).tests;

  pair = {
    name = "pair";
    nodes.server = { };
    nodes.client = { virtualisation.vlans = [ 2 1 ]; };
    testScript = "start_all()";
  };
  run = pkgs.testers.runNixOSTest;

  tests = {
    # -- forms of a test --
    module = { expr = names pair; expected = [ "pair" ]; };
    moduleFunction = { expr = names ({ pkgs, lib, ... }: pair // { name = "f-${pkgs.system}"; }); expected = [ "f-x86_64-linux" ]; };
    moduleUsesConfig = { expr = (one ({ config, ... }: pair // { testScript = "# ${config.name}"; })).script.text; expected = "# pair"; };
    runNixOSTest = { expr = names (run pair); expected = [ "pair" ]; };
    runNixOSTestFile = { expr = names (run ./pair.nix); expected = [ "pair-file" ]; };
    # Of two specialisations, which has the file of the machine, which one of its own.
    specialisations = {
      expr =
        let
          machine = (run {
            name = "special";
            defaults.environment.etc.everywhere.text = "";
            nodes.machine = {
              environment.etc.machine.text = "";
              specialisation.adds.configuration.environment.etc.own.text = "";
              specialisation.alone = { inheritParentConfig = false; configuration.environment.etc.own.text = ""; };
            };
            testScript = "";
          }).nodes.machine;
        in
        lib.mapAttrs (_: one: map (file: one.configuration.environment.etc ? ${file}) [ "machine" "everywhere" "own" ]) machine.specialisation;
      expected = { adds = [ true true true ]; alone = [ false false true ]; };
    };
    nixosTest = { expr = names (pkgs.testers.nixosTest ({ pkgs, ... }: pair)); expected = [ "pair" ]; };
    makeTestPython = { expr = names (import ../../tests/make-test-python.nix ({ pkgs, ... }: pair)); expected = [ "pair" ]; };
    makeTest = { expr = names ((import ../testing-python.nix { inherit pkgs; }).makeTest pair); expected = [ "pair" ]; };
    runTest = { expr = names ((import ../. { }).runTest (pair // { hostPkgs = pkgs; defaults.nixpkgs.pkgs = pkgs; })); expected = [ "pair" ]; };
    evaluation = { expr = names ((import ../. { }).evalTest (pair // { hostPkgs = pkgs; defaults.nixpkgs.pkgs = pkgs; })); expected = [ "pair" ]; };
    set = {
      expr = map (t: t.attrPath) (plan { b = run pair; a = { x = pair; y = ./pair.nix; }; notATest = pkgs.hello; }).tests;
      expected = [ [ "a" "x" ] [ "a" "y" ] [ "b" ] ];
    };
    selected = { expr = map (t: t.attrPath) (planAt [ "a" ] { b = run pair; a = { x = pair; y = pair; }; }).tests; expected = [ [ "a" "x" ] [ "a" "y" ] ]; };
    selectedMissing = { expr = planAt [ "c" ] { b = run pair; }; fails = true; };
    family = { expr = names ({ system ? "x86_64-linux", pkgs }: { a = pkgs.testers.runNixOSTest pair; }); expected = [ "pair" ]; };
    variants = {
      expr = map (t: [ t.attrPath t.name ]) (plan (import ../../tests/make-test-python.nix ({ pkgs, backend, ... }: pair // { name = backend; }))).tests;
      expected = [ [ [ "firewalld" ] "firewalld" ] [ [ "iptables" ] "iptables" ] [ [ "nftables" ] "nftables" ] ];
    };
    argument = {
      expr = names' { backend = "mine"; } ({ pkgs, backend, ... }: pair // { name = backend; });
      expected = [ "mine" ];
    };
    optionalArgument = { expr = names' { n = "given"; } ({ pkgs ? null, n ? "default" }: pair // { name = n; }); expected = [ "given" ]; };
    runTestArgument = { expr = names ({ runTest, ... }: { x = runTest pair; }); expected = [ "pair" ]; };
    notATest = { expr = plan pkgs.hello; fails = true; };
    number = { expr = plan 3; fails = true; };
    legacyMachine = { expr = map (n: n.name) (one (import ../../tests/make-test-python.nix { name = "m"; machine = { }; testScript = ""; })).nodes; expected = [ "machine" ]; };

    # -- the script --
    scriptFunction = { expr = (one (pair // { testScript = { nodes }: nodes.server.config.networking.primaryIPAddress; })).script.text; expected = "192.168.1.2"; };
    scriptPosition = { expr = let p = (one pair).script.position; in [ (baseNameOf p.file) (p.line > 10) ]; expected = [ "run.nix" true ]; };
    scriptReferences = { expr = lib.length (one (pair // { testScript = "${pkgs.hello}/bin/hello ${pkgs.hello}"; })).script.references; expected = 1; };
    flags = {
      expr = let t = one (pair // { skipLint = true; globalTimeout = 7; enableOCR = true; qemu.forceAccel = true; }); in [ t.script.skipLint t.script.skipTypeCheck t.globalTimeout t.enableOcr t.forceAccel ];
      expected = [ true false 7 true true ];
    };

    # -- machines and networks --
    numbers = { expr = map (n: [ n.name n.number n.hostName ]) (one pair).nodes; expected = [ [ "client" 1 "client" ] [ "server" 2 "server" ] ]; };
    vlans = { expr = (one pair).vlans; expected = [ 1 2 ]; };
    interfaces = {
      expr = (node "client" pair).interfaces;
      expected = [ { name = "eth1"; vlan = 2; mac = "52:54:00:12:02:01"; } { name = "eth2"; vlan = 1; mac = "52:54:00:12:01:01"; } ];
    };
    addresses = {
      expr =
        let n = (run pair).nodes.client.networking; in
        [ n.primaryIPAddress n.primaryIPv6Address (lib.head n.interfaces.eth2.ipv4.addresses).address (lib.head n.interfaces.eth2.ipv6.addresses).address ];
      expected = [ "192.168.2.1" "2001:db8:2::1" "192.168.1.1" "2001:db8:1::1" ];
    };
    hosts = { expr = (run pair).nodes.server.networking.extraHosts; expected = "192.168.2.1 client\n2001:db8:2::1 client\n192.168.1.2 server\n2001:db8:1::2 server\n"; };
    hostsDomain = { expr = lib.hasInfix "192.168.1.2 server.example.org server\n" (run { imports = [ pair ]; nodes.server.networking.domain = "example.org"; }).nodes.client.networking.extraHosts; expected = true; };
    namedInterface = { expr = (machine { virtualisation.interfaces.lan0.vlan = 3; }).interfaces; expected = [ { name = "lan0"; vlan = 3; mac = "52:54:00:12:03:01"; } ]; };
    noNetwork = { expr = (machine { virtualisation.vlans = [ ]; }).interfaces; expected = [ ]; };
    hostName = { expr = (machine { networking.hostName = "other"; }).hostName; expected = "other"; };
    nodesSeeOthers = { expr = (one { name = "t"; nodes.a = { }; nodes.b = { nodes, ... }: { networking.hostName = "x${nodes.a.networking.hostName}"; }; testScript = ""; }).nodes; expected = null; };
    defaults = { expr = (node "server" (pair // { defaults.virtualisation.cores = 3; })).hardware.cores; expected = 3; };
    specialArgs = { expr = (node "machine" { name = "t"; node.specialArgs.n = 2; nodes.machine = { n, ... }: { virtualisation.cores = n; }; testScript = ""; }).hardware.cores; expected = 2; };

    # -- hardware --
    hardware = {
      expr = (machine {
        virtualisation = {
          memorySize = 512; cores = 2; diskSize = 100; graphics = false;
          emptyDiskImages = [ 20 { size = 30; driveConfig.deviceExtraOpts.serial = "s1"; } ];
          qemu.options = [ "-cpu max" "-device 'virtio rng'" ];
          forwardPorts = [ { from = "host"; host.port = 2222; guest.port = 22; } ];
          resolution.x = 640;
        };
      }).hardware;
      expected = {
        memoryMib = 512; cores = 2; diskMib = 100; graphics = false;
        emptyDisks = [ { sizeMib = 20; serial = null; } { sizeMib = 30; serial = "s1"; } ];
        qemuOptions = [ "-cpu" "max" "-device" "virtio rng" ];
        resolution = { x = 640; y = 768; };
        userNetwork.forwards = [ { from = "host"; proto = "tcp"; hostAddress = ""; hostPort = 2222; guestAddress = ""; guestPort = 22; } ];
        sharedDirectories = [ ];
      };
    };

    # -- refused by name --
    containers = { expr = (one (pair // { containers.c = { }; })).nodes; fails = true; };
    sshBackdoor = { expr = (one (pair // { sshBackdoor.enable = true; })).name; fails = true; };
    efi = { expr = (machine { virtualisation.useEFIBoot = true; }).system.toplevel; fails = true; };
    tpm = { expr = (machine { virtualisation.tpm.enable = true; }).system.toplevel; fails = true; };
    unknownTestOption = { expr = one (pair // { testscript = ""; }); fails = true; };
    unknownNodeOption = { expr = (machine { services.nginxx.enable = true; }).hostName; fails = true; };
    readOnlyNixpkgs = { expr = (machine { nixpkgs.overlays = [ (f: p: { }) ]; }).system.toplevel; fails = true; };
    ownNixpkgs = {
      expr = (import ../testing-python.nix { inherit pkgs; }).makeTest (pair // { nodes.server = { pkgs, ... }: { nixpkgs.overlays = [ (f: p: { three = 3; }) ]; virtualisation.cores = pkgs.three; }; });
      expected = null;
    };

    # -- the result --
    attributes = {
      expr = let t = run pair; in [ t.name t.driver.name t.driverInteractive.name t.nodes.server.networking.hostName t.nodes.server.config.networking.hostName t.config.name t.meta.timeout (lib.isDerivation t) ];
      expected = [ "vm-test-run-pair" "nixos-test-driver-pair" "nixos-test-driver-pair" "server" "server" "pair" 3600 true ];
    };
    interactive = {
      expr = let t = run (pair // { interactive.nodes.server.virtualisation.cores = 9; }); in map (d: (lib.last d.snowglobe.test.nodes).hardware.cores) [ t.driver t.driverInteractive ];
      expected = [ 1 9 ];
    };
    extend = { expr = ((run pair).extend { modules = [ { name = lib.mkForce "again"; } ]; }).name; expected = "vm-test-run-again"; };
    extendNixOS = { expr = ((run pair).extendNixOS { module.virtualisation.cores = 5; }).nodes.server.virtualisation.cores; expected = 5; };
    override = { expr = ((run pair).overrideTestDerivation (old: { name = "other-${old.name}"; })).drvAttrs.name; expected = "other-vm-test-run-pair"; };
    extendedLib = {
      expr =
        let
          changed = pkgs.extend (final: prev: { lib = prev.lib.extend (self: super: { four = 4; }); });
          test = { name = "l"; nodes.machine = { lib, ... }: { virtualisation.cores = lib.four; }; testScript = ""; };
          cores = t: t.nodes.machine.virtualisation.cores;
        in
        [ (cores (changed.testers.runNixOSTest test)) (cores (changed.testers.nixosTest test)) (cores (changed.testers.runNixOSTest test).driver) ];
      expected = [ 4 4 4 ];
    };
    passthru = { expr = (run (pair // { passthru.answer = 42; })).answer; expected = 42; };
    extraPython = { expr = (one (pair // { extraPythonPackages = p: [ p.numpy ]; })).script.pythonPackages != [ ]; expected = true; };
  };

  special = {
    nodesSeeOthers = test: (lib.last test.expr).hostName == "xa";
    ownNixpkgs = test: (lib.last test.expr.snowglobe.test.nodes).hardware.cores == 3;
  };

  check = name: test:
    let
      outcome = builtins.tryEval (builtins.deepSeq test.expr test.expr);
      show = lib.generators.toPretty { multiline = false; };
    in
    if special ? ${name} then (if special.${name} test then [ ] else [ "${name}: is wrong" ])
    else if test.fails or false then (if outcome.success then [ "${name}: should be an error, but is ${show outcome.value}" ] else [ ])
    else if !outcome.success then [ "${name}: is an error" ]
    else if outcome.value != test.expected then [ "${name}: is ${show outcome.value} instead of ${show test.expected}" ]
    else [ ];
in
lib.concatLists (lib.mapAttrsToList check tests)
