{ lib, pkgs, unit, folder, directive, has, service, system, builds, etc }:
let
  plain = extra: { systemd.services.x = { serviceConfig.ExecStart = "/bin/x"; } // extra; };
  x = extra: unit "x.service" (plain extra);
in
{
  systemBuilds = { expr = builds { }; expected = true; };

  execStart = { expr = directive "ExecStart" (x { }); expected = [ "ExecStart=/bin/x" ]; };
  after = { expr = directive "After" (x { after = [ "a.service" "b.service" ]; }); expected = [ "After=a.service b.service" ]; };
  description = { expr = directive "Description" (x { description = "It is"; }); expected = [ "Description=It is" ]; };
  booleans = { expr = directive "RemainAfterExit" (x { serviceConfig.RemainAfterExit = true; serviceConfig.ExecStart = "/bin/x"; }); expected = [ "RemainAfterExit=true" ]; };
  lists = { expr = directive "ReadWritePaths" (x { serviceConfig.ReadWritePaths = [ "/a" "/b" ]; serviceConfig.ExecStart = "/bin/x"; }); expected = [ "ReadWritePaths=/a" "ReadWritePaths=/b" ]; };
  environment = { expr = has "Environment=\"A=b \\\"c\\\"\"" (x { environment.A = "b \"c\""; }); expected = true; };
  environmentNull = { expr = has "GONE" (x { environment.GONE = null; }); expected = false; };
  pathEnds = { expr = has ":/usr/sbin:/usr/bin\"" (x { }); expected = true; };
  pathHas = { expr = has "${pkgs.curl}/bin:" (x { path = [ pkgs.curl ]; }); expected = true; };
  pathWithoutDefault = { expr = has "${pkgs.coreutils}/bin" (x { enableDefaultPath = false; }); expected = false; };
  pathOnce = { expr = lib.length (lib.splitString "PATH=" (x { })); expected = 2; };

  # Definitions in several modules.
  mergedLists = {
    expr = directive "ExecStartPre" (unit "x.service" {
      imports = [ { systemd.services.x.serviceConfig.ExecStartPre = [ "/bin/a" ]; } { systemd.services.x.serviceConfig.ExecStartPre = "/bin/b"; } ];
      systemd.services.x.serviceConfig.ExecStart = "/bin/x";
    });
    expected = [ "ExecStartPre=/bin/a" "ExecStartPre=/bin/b" ];
  };
  conflictingValues = {
    expr = unit "x.service" {
      imports = [ { systemd.services.x.serviceConfig.User = "a"; } ];
      systemd.services.x.serviceConfig = { User = "b"; ExecStart = "/bin/x"; };
    };
    fails = true;
  };

  script = { expr = lib.hasSuffix "/bin/y-start" (lib.head (directive "ExecStart" (unit "y.service" { systemd.services.y.script = "echo"; }))); expected = true; };
  scriptNames = {
    expr = map (name: lib.any (lib.hasSuffix "/bin/y-${name}") (lib.splitString "\n" (unit "y.service" { systemd.services.y = { script = "a"; preStart = "b"; postStart = "c"; preStop = "d"; postStop = "e"; reload = "f"; }; }))) [ "start" "pre-start" "post-start" "pre-stop" "post-stop" "reload" ];
    expected = [ true true true true true true ];
  };
  scriptArgs = { expr = lib.hasSuffix "-start %i" (lib.head (directive "ExecStart" (unit "y@.service" { systemd.services."y@" = { script = "echo"; scriptArgs = "%i"; }; }))); expected = true; };

  wantedBy = { expr = (folder (plain { wantedBy = [ "multi-user.target" ]; }))."multi-user.target.wants/x.service"; expected = "../x.service"; };
  requiredBy = { expr = (folder (plain { requiredBy = [ "a.service" ]; }))."a.service.requires/x.service"; expected = "../x.service"; };
  alias = { expr = (folder (plain { aliases = [ "z.service" ]; }))."z.service"; expected = "x.service"; };
  aliasOfAddition = { expr = (folder { services.resolved.enable = true; })."dbus-org.freedesktop.resolve1.service"; expected = "/usr/lib/systemd/system/systemd-resolved.service"; };
  disabled = { expr = (folder (plain { enable = false; }))."x.service"; expected = "/dev/null"; };
  masked = { expr = (folder { })."systemd-firstboot.service"; expected = "/dev/null"; };
  unmasked = { expr = (folder { systemd.additionalUpstreamSystemUnits = [ "systemd-random-seed.service" ]; }) ? "systemd-random-seed.service"; expected = false; };
  suppressed = { expr = (folder { systemd.suppressedSystemUnits = [ "a.service" ]; })."a.service"; expected = "/dev/null"; };

  # Additions to units that packages bring.
  knownUnitIsAddition = { expr = (folder { systemd.services.systemd-logind.environment.A = "1"; }) ? "systemd-logind.service.d/overrides.conf"; expected = true; };
  additionHasNoPath = { expr = has "PATH=" (unit "systemd-logind.service" { systemd.services.systemd-logind.environment.A = "1"; }); expected = false; };
  asDropin = { expr = (folder (plain { overrideStrategy = "asDropin"; })) ? "x.service.d/overrides.conf"; expected = true; };
  clearedStartIsAddition = { expr = (folder { systemd.services.q.serviceConfig.ExecStart = [ "" "/bin/q" ]; }) ? "q.service.d/overrides.conf"; expected = true; };
  instanceOfOwnTemplate = {
    expr = (folder { systemd.services."t@".serviceConfig.ExecStart = "/bin/t"; systemd.services."t@1".serviceConfig.Nice = 5; }) ? "t@1.service.d/overrides.conf";
    expected = true;
  };
  unitText = { expr = (folder { systemd.units."user-1000.slice.d/limits.conf".text = "[Slice]\n"; })."user-1000.slice.d/limits.conf"; expected = "[Slice]\n"; };

  startAt = { expr = directive "OnCalendar" (unit "x.timer" (plain { startAt = "hourly"; })); expected = [ "OnCalendar=hourly" ]; };
  startAtJoins = {
    expr = let text = unit "x.timer" { systemd.services.x = { serviceConfig.ExecStart = "/x"; startAt = "daily"; }; systemd.timers.x.timerConfig.Persistent = true; }; in [ (directive "OnCalendar" text) (directive "Persistent" text) ];
    expected = [ [ "OnCalendar=daily" ] [ "Persistent=true" ] ];
  };
  timer = { expr = (folder { systemd.timers.t = { wantedBy = [ "timers.target" ]; timerConfig.OnBootSec = 5; }; })."t.timer"; expected = "[Unit]\n\n[Timer]\nOnBootSec=5\n"; };
  socket = { expr = directive "ListenStream" (unit "s.socket" { systemd.sockets.s.listenStreams = [ "1" "2" ]; }); expected = [ "ListenStream=1" "ListenStream=2" ]; };
  mountName = { expr = (folder { systemd.mounts = [ { what = "/dev/vdb"; where = "/a b/c-d"; } ]; }) ? "a\\x20b-c\\x2dd.mount"; expected = true; };
  target = { expr = unit "t.target" { systemd.targets.t.wants = [ "a.service" ]; }; expected = "[Unit]\nWants=a.service\n"; };

  defaultTarget = { expr = (folder { })."default.target"; expected = "/usr/lib/systemd/system/multi-user.target"; };
  ownDefaultTarget = { expr = (folder { systemd.defaultUnit = "mine.target"; systemd.targets.mine = { }; })."default.target"; expected = "mine.target"; };
  strictChecks = { expr = builds { systemd.services.x = { script = "a"; enableStrictShellChecks = true; }; }; fails = true; };

  tmpfiles = { expr = etc "tmpfiles.d/00-nixos.conf" { systemd.tmpfiles.rules = [ "d /a" "d /b" ]; }; expected = "d /a\nd /b\n"; };
  tmpfilesSettings = { expr = etc "tmpfiles.d/10-a.conf" { systemd.tmpfiles.settings."10-a"."/a".d = { mode = "0700"; user = "u"; }; }; expected = "'d' '/a' '0700' 'u' '-' '-' \n"; };
  sysctl = { expr = lib.elem "vm.swappiness=3" (lib.splitString "\n" (etc "sysctl.d/60-nixos.conf" { boot.kernel.sysctl."vm.swappiness" = 3; })); expected = true; };
  journald = { expr = lib.elem "ForwardToSyslog=false" (lib.splitString "\n" (etc "systemd/journald.conf" { })); expected = true; };

  activation = { expr = (system { }).snowglobe.system.activation; expected = null; };
  activationOrder = {
    expr = (system { system.activationScripts = { b = { deps = [ "a" ]; text = "B"; }; a = "A"; }; }).snowglobe.system.activation != null;
    expected = true;
  };
  activationCircle = { expr = (system { system.activationScripts = { b = { deps = [ "a" ]; text = "B"; }; a = { deps = [ "b" ]; text = "A"; }; }; }).snowglobe.system.activation.drvPath; fails = true; };
  specialisation = {
    expr = (system { networking.hostName = "a"; specialisation.x.configuration.environment.etc.only.text = "x"; }).specialisation.x.configuration.environment.etc.only.text;
    expected = "x";
  };
  specialisationInherits = { expr = (system { environment.etc.both.text = "b"; specialisation.x.configuration = { }; }).specialisation.x.configuration.environment.etc.both.text; expected = "b"; };
  specialisationHasLink = { expr = (system { specialisation.x.configuration = { }; }).system.toplevelLinks ? "specialisation/x"; expected = true; };
  specialisationSwitches = { expr = (system { specialisation.x.configuration = { }; }).system.toplevelPrograms ? "bin/switch-to-configuration"; expected = true; };
  switchesNot = { expr = (system { }).system.toplevelPrograms; expected = { }; };
  # A running machine keeps its users.
  specialisationUsers = { expr = builds { specialisation.x.configuration.users.users.new.isNormalUser = true; }; fails = true; };
  specialisationAlone = { expr = builds { specialisation.x = { inheritParentConfig = false; configuration = { }; }; }; fails = true; };
  refusedPart = { expr = builds { security.apparmor.enable = true; }; fails = true; };
  refusedPartOff = { expr = builds { security.apparmor.enable = false; }; expected = true; };
  assertion = { expr = builds { assertions = [ { assertion = false; message = "no"; } ]; }; fails = true; };
}
