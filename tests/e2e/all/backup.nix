# Backups by borg, to the machine itself and to another.
{ pkgs, ... }:
let
  phrase = "quite a secret";
  inherit (import <nixpkgs/nixos/tests/ssh-keys.nix> pkgs) snakeOilPrivateKey snakeOilPublicKey;
in
{
  name = "backup";

  nodes.client = {
    virtualisation.fileSystems."/vault" = { device = "tmpfs"; fsType = "tmpfs"; options = [ "noauto" ]; };
    services.borgbackup.jobs = {
      here = {
        paths = "/work";
        repo = "/root/repo";
        encryption = { mode = "repokey"; passphrase = phrase; };
        exclude = [ "*/scrap" ];
        preHook = "archiveName=first";
        postHook = "echo $exitStatus > /root/job-ended";
        readWritePaths = [ "/root" ];
        startAt = [ ];
        prune.keep.daily = 3;
      };
      vault = { paths = "/work"; repo = "/vault"; encryption.mode = "none"; startAt = [ ]; };
      there = {
        paths = "/work";
        repo = "borg@server:.";
        encryption.mode = "none";
        environment.BORG_RSH = "ssh -o StrictHostKeyChecking=no -i /root/key";
        startAt = "weekly";
        inhibitsSleep = true;
      };
      words = { dumpCommand = pkgs.writeShellScript "words" "echo spoken"; repo = "/root/words"; encryption.mode = "none"; startAt = [ ]; };
      silence = { dumpCommand = "/run/current-system/sw/bin/false"; repo = "/root/silence"; encryption.mode = "none"; startAt = [ ]; };
    };
  };

  nodes.server = {
    services.openssh.enable = true;
    services.borgbackup.repos.work = {
      path = "/srv/work";
      authorizedKeys = [ snakeOilPublicKey ];
    };
  };

  testScript = ''
    start_all()
    client.succeed("mkdir /work", "echo kept > /work/file", "echo lost > /work/scrap", "install -m 0600 ${snakeOilPrivateKey} /root/key")

    with subtest("a repository of one's own, encrypted"):
        client.succeed("systemctl start --wait borgbackup-job-here")
        client.succeed("grep -x 0 /root/job-ended")
        client.fail("BORG_PASSPHRASE=wrong borg list /root/repo")
        listed = client.succeed("borg-job-here list ::first")
        assert "work/file" in listed and "scrap" not in listed
        client.succeed("cd /tmp && borg-job-here extract ::first && grep kept /tmp/work/file")

    with subtest("an archive can be looked into as a folder"):
        client.succeed("mkdir /look", "borg-job-here mount ::first /look", "grep kept /look/work/file", "borg umount /look")

    with subtest("a repository on a file system that is mounted for the job"):
        client.fail("findmnt /vault")
        client.succeed("systemctl start --wait borgbackup-job-vault", "findmnt /vault", "borg list /vault | grep client-vault")

    with subtest("a repository on another machine"):
        server.wait_for_unit("sshd")
        client.succeed("systemctl start --wait borgbackup-job-there")
        client.succeed("borg-job-there list | grep client-there")
        server.succeed("test -d /srv/work/data")
        client.fail("BORG_RSH='ssh -o StrictHostKeyChecking=no -i /root/key' borg list borg@server:elsewhere")
        client.succeed("systemctl list-timers --all | grep borgbackup-job-there")

    with subtest("what a command writes"):
        client.succeed("systemctl start --wait borgbackup-job-words")
        client.succeed("borg-job-words extract --stdout ::$(borg-job-words list --short) | grep spoken")
        client.fail("systemctl start --wait borgbackup-job-silence")
        client.succeed("systemctl is-failed borgbackup-job-silence")
  '';
}
