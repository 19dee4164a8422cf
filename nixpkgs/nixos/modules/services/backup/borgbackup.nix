# `services.borgbackup`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption optionalString escapeShellArg escapeShellArgs;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines package required;
  cfg = config.services.borgbackup;
  isLocal = path: lib.hasPrefix "/" path || lib.hasPrefix "~" path || !(lib.hasInfix ":" path || lib.hasInfix "@" path);
  borg = "${cfg.package}/bin/borg";

  # ---- jobs --------------------------------------------------------------------------------------

  environmentOf = job:
    { BORG_REPO = job.repo; }
    // (
      if job.encryption.passCommand != null then
        { BORG_PASSCOMMAND = job.encryption.passCommand; }
      else if job.encryption.passphrase != null then
        { BORG_PASSPHRASE = job.encryption.passphrase; }
      else
        { }
    )
    // job.environment;

  keepArguments = keep: lib.concatStringsSep " " (lib.mapAttrsToList (period: count: "--keep-${period}=${toString count}") keep);

  script = name: job:
    let
      patterns =
        lib.concatMapStringsSep " " (pattern: "--exclude ${escapeShellArg pattern}") job.exclude
        + " "
        + lib.concatMapStringsSep " " (pattern: "--pattern ${escapeShellArg pattern}") job.patterns;
      failing = optionalString (!job.failOnWarnings) " || { status=$?; ((status == 1)) || exit $status; }";
    in
    ''
      on_exit() {
        exitStatus=$?
        ${job.postHook}
        exit $exitStatus
      }
      trap on_exit EXIT

      extraArgs=(${job.extraArgs})
      extraInitArgs=(${job.extraInitArgs})
      extraCreateArgs=(${job.extraCreateArgs})
      extraPruneArgs=(${job.extraPruneArgs})
      extraCompactArgs=(${job.extraCompactArgs})
      archiveName="${if job.archiveBaseName == null then "" else job.archiveBaseName + "-"}$(date ${job.dateFormat})"
      archiveSuffix="${optionalString job.appendFailedSuffix ".failed"}"
      ${job.preHook}
    ''
    + optionalString job.doInit ''
      if ! borg "''${extraArgs[@]}" list >/dev/null; then
        borg "''${extraArgs[@]}" init --encryption ${job.encryption.mode} "''${extraInitArgs[@]}"
        ${job.postInit}
      fi
    ''
    + ''
      set -o pipefail
      ${optionalString (job.dumpCommand != null) "${escapeShellArg job.dumpCommand} |"} borg "''${extraArgs[@]}" create \
        --compression ${job.compression} ${patterns} "''${extraCreateArgs[@]}" \
        "::$archiveName$archiveSuffix" ${if job.paths == null then "-" else escapeShellArgs (lib.toList job.paths)}${failing}
    ''
    + optionalString job.appendFailedSuffix ''
      borg "''${extraArgs[@]}" rename "::$archiveName$archiveSuffix" "$archiveName"
    ''
    + ''
      ${job.postCreate}
    ''
    + optionalString (job.prune.keep != { }) ''
      borg "''${extraArgs[@]}" prune ${keepArguments job.prune.keep} \
        ${optionalString (job.prune.prefix != null) "--glob-archives ${escapeShellArg "${job.prune.prefix}*"}"} "''${extraPruneArgs[@]}"
      borg "''${extraArgs[@]}" compact "''${extraCompactArgs[@]}"
      ${job.postPrune}
    '';

  jobService = name: job: {
    description = "BorgBackup job ${name}";
    path = [ cfg.package pkgs.openssh pkgs.systemd ];
    environment = environmentOf job;
    wants = lib.optional (!isLocal job.repo) "network-online.target";
    after = lib.optional (!isLocal job.repo) "network-online.target";
    startAt = job.startAt;
    # What holds sleep off is a process: the job runs below it.
    script =
      if job.inhibitsSleep then
        ''exec systemd-inhibit --who=borgbackup --what=sleep --why="Scheduled backup" ${pkgs.writeShellScript "borgbackup-job-${name}" "set -e\n${script name job}"}''
      else
        script name job;
    # Also one that is not mounted at boot.
    unitConfig = lib.optionalAttrs (isLocal job.repo && !lib.hasPrefix "~" job.repo) { RequiresMountsFor = [ (lib.removePrefix "file://" job.repo) ]; };
    serviceConfig = {
      User = job.user;
      Group = job.group;
      CPUSchedulingPolicy = "idle";
      IOSchedulingClass = "idle";
      ProtectSystem = "strict";
      # Made before the rest of the machine becomes read-only.
      ExecStartPre = lib.mkBefore [
        "+${pkgs.writeShellScript "borgbackup-job-${name}-prepare" ''
          home=$(${pkgs.getent}/bin/getent passwd ${job.user} | ${pkgs.coreutils}/bin/cut -d: -f6)
          for directory in "$home/.config/borg" "$home/.cache/borg"; do
            ${pkgs.coreutils}/bin/install -d -o ${job.user} -g ${job.group} "$(${pkgs.coreutils}/bin/dirname "$directory")" "$directory"
          done
          ${optionalString (isLocal job.repo && !(lib.hasPrefix "/" job.repo) && !job.removableDevice) ''
            if ! [ -e ${escapeShellArg job.repo} ]; then
              ${pkgs.coreutils}/bin/install -d -m 0700 -o ${job.user} -g ${job.group} ${escapeShellArg job.repo}
            fi
          ''}
        ''}"
      ];
      ReadWritePaths = [ "-%h/.config/borg" "-%h/.cache/borg" ] ++ job.readWritePaths ++ lib.optional (isLocal job.repo) ("-" + job.repo);
      PrivateTmp = job.privateTmp;
    };
  };

  wrapper = name: job:
    pkgs.writeShellScriptBin job.wrapper (
      lib.concatStrings (lib.mapAttrsToList (variable: value: "export ${variable}=${escapeShellArg (toString value)}\n") (environmentOf job))
      + ''exec ${borg} "$@"''
    );

  jobOptions = { name, config, ... }: {
    options = {
      paths = mkOption {
        type = types.nullOr (types.coercedTo types.str lib.singleton (types.listOf types.str));
        default = null;
        description = "What is backed up.";
      };
      dumpCommand = maybe types.path "Program whose output is backed up instead.";
      repo = required types.str "The repository.";
      removableDevice = flag false "Whether the repository is on a device that is not always there.";
      archiveBaseName = option (types.nullOr types.str) "${cfg.hostName or "host"}-${name}" "Start of the archives' names.";
      dateFormat = option types.str "+%Y-%m-%dT%H:%M:%S" "Form of the date that follows it.";
      startAt = option (types.either types.str (types.listOf types.str)) "daily" "When; an empty list: never by itself.";
      persistentTimer = flag false "Whether a missed run is made up for.";
      inhibitsSleep = flag false "Whether the machine may not sleep while the job runs.";
      user = option types.str "root" "User of the job.";
      group = option types.str "root" "Group of the job.";
      wrapper = option (types.nullOr types.str) "borg-job-${name}" "Name of a program that runs borg with the job's settings.";
      encryption = {
        mode = required (types.enum [ "repokey" "keyfile" "repokey-blake2" "keyfile-blake2" "authenticated" "authenticated-blake2" "none" ]) "How archives are encrypted.";
        passCommand = maybe types.str "Command that writes the passphrase.";
        passphrase = maybe types.str "Passphrase, which everybody on the machine can read.";
      };
      compression = option types.str "lz4" "Compression.";
      exclude = option (types.listOf types.str) [ ] "What is left out.";
      patterns = option (types.listOf types.str) [ ] "What is left out and what is not.";
      readWritePaths = option (types.listOf types.path) [ ] "Where hooks may write.";
      privateTmp = flag true "Whether the job has a /tmp of its own.";
      doInit = flag true "Whether a missing repository is made.";
      appendFailedSuffix = flag true "Whether an archive is called `.failed` until it is whole.";
      failOnWarnings = flag true "Whether the job fails when borg warns.";
      prune.keep = option (types.attrsOf (types.either types.int types.str)) { } "How many archives of which periods are kept.";
      prune.prefix = option (types.nullOr types.str) config.archiveBaseName "Which archives are pruned.";
      environment = option (types.attrsOf types.str) { } "Variables of the job.";
      preHook = lines "Shell before the backup.";
      postInit = lines "Shell after a repository was made.";
      postCreate = lines "Shell after an archive was made.";
      postPrune = lines "Shell after pruning.";
      postHook = lines "Shell at the end, whatever happened; `$exitStatus` tells.";
      extraArgs = option (types.coercedTo (types.listOf types.str) escapeShellArgs types.str) "" "Arguments of all commands.";
      extraInitArgs = option (types.coercedTo (types.listOf types.str) escapeShellArgs types.str) "" "Arguments of borg init.";
      extraCreateArgs = option (types.coercedTo (types.listOf types.str) escapeShellArgs types.str) "" "Arguments of borg create.";
      extraPruneArgs = option (types.coercedTo (types.listOf types.str) escapeShellArgs types.str) "" "Arguments of borg prune.";
      extraCompactArgs = option (types.coercedTo (types.listOf types.str) escapeShellArgs types.str) "" "Arguments of borg compact.";
    };
  };

  # ---- repositories ------------------------------------------------------------------------------

  serve = repo: appendOnly: key:
    let
      restrict = if repo.allowSubRepos then "--restrict-to-path ." else "--restrict-to-repository .";
      arguments = "${restrict}${optionalString appendOnly " --append-only"}${optionalString (repo.quota != null) " --storage-quota ${repo.quota}"}";
    in
    ''command="cd ${lib.escapeShellArg repo.path} && ${borg} serve ${arguments}",restrict ${lib.removeSuffix "\n" key}'';

  repoOptions.options = {
    path = option types.path "/var/lib/borgbackup" "Where the repository is.";
    user = option types.str "borg" "User that serves it.";
    group = option types.str "borg" "Group that serves it.";
    authorizedKeys = option (types.listOf types.str) [ ] "Keys of those who may write.";
    authorizedKeysAppendOnly = option (types.listOf types.str) [ ] "Keys of those who may only add.";
    allowSubRepos = flag false "Whether there may be repositories below the path.";
    quota = maybe types.str "Largest size.";
  };
in
{
  options.services.borgbackup = {
    package = package "borgbackup" pkgs.borgbackup;
    hostName = mkOption { type = types.str; default = config.networking.hostName; internal = true; description = "Start of archives' names."; };
    jobs = option (types.attrsOf (types.submodule jobOptions)) { } "Backups, by name.";
    repos = option (types.attrsOf (types.submodule repoOptions)) { } "Repositories for others, by name.";
  };

  config = mkIf (cfg.jobs != { } || cfg.repos != { }) {
    assertions =
      lib.mapAttrsToList (name: job: {
        assertion = (job.paths == null) != (job.dumpCommand == null);
        message = "services.borgbackup.jobs.${name}: exactly one of paths and dumpCommand is set";
      }) cfg.jobs
      ++ lib.mapAttrsToList (name: job: {
        assertion = (job.encryption.mode == "none") != (job.encryption.passCommand != null || job.encryption.passphrase != null) || lib.hasPrefix "authenticated" job.encryption.mode;
        message = "services.borgbackup.jobs.${name}: a passphrase is needed with encryption, and only then";
      }) cfg.jobs
      ++ lib.mapAttrsToList (name: repo: {
        assertion = repo.authorizedKeys != [ ] || repo.authorizedKeysAppendOnly != [ ];
        message = "services.borgbackup.repos.${name} has no keys";
      }) cfg.repos;

    environment.systemPackages =
      [ cfg.package ] ++ lib.mapAttrsToList wrapper (lib.filterAttrs (_: job: job.wrapper != null && job.wrapper != "") cfg.jobs);

    systemd.services =
      lib.mapAttrs' (name: job: lib.nameValuePair "borgbackup-job-${name}" (jobService name job)) cfg.jobs
      // lib.mapAttrs' (name: repo: lib.nameValuePair "borgbackup-repo-${name}" {
        description = "Create BorgBackup repository ${name} directory";
        wantedBy = [ "multi-user.target" ];
        script = ''
          mkdir -p ${escapeShellArg repo.path}
          chown ${repo.user}:${repo.group} ${escapeShellArg repo.path}
        '';
        serviceConfig = {
          Type = "oneshot";
          User = "root";
          RemainAfterExit = true;
        };
      }) cfg.repos;

    # There from the boot on: it may be where something is mounted.
    systemd.tmpfiles.rules = lib.concatMap
      (job: lib.optional (lib.hasPrefix "/" job.repo && !job.removableDevice) ''d "${job.repo}" 0700 ${job.user} ${job.group} -'')
      (lib.attrValues cfg.jobs);

    systemd.timers = lib.mapAttrs' (name: job: lib.nameValuePair "borgbackup-job-${name}" {
      timerConfig.Persistent = job.persistentTimer;
    }) (lib.filterAttrs (_: job: job.startAt != [ ] && job.persistentTimer) cfg.jobs);

    users.users = lib.mkMerge (
      lib.mapAttrsToList (name: repo: {
        ${repo.user} = {
          openssh.authorizedKeys.keys = map (serve repo false) repo.authorizedKeys ++ map (serve repo true) repo.authorizedKeysAppendOnly;
          useDefaultShell = true;
          group = repo.group;
          isSystemUser = true;
        };
      }) cfg.repos
    );
    users.groups = lib.mkMerge (lib.mapAttrsToList (name: repo: { ${repo.group} = { }; }) cfg.repos);
  };
}
