# A folder of one machine in another, by NFS 4 and 3.
let
  from = version: {
    device = if version == 4 then "server:/" else "server:/shelf";
    fsType = "nfs";
    options = [ "vers=${toString version}" ];
  };
in
{
  name = "nfs";

  nodes.server = {
    services.nfs.server = {
      enable = true;
      createMountPoints = true;
      exports = "/shelf 192.168.1.0/255.255.255.0(rw,no_root_squash,no_subtree_check,fsid=0)";
    };
    networking.firewall.enable = false;
  };
  nodes.client = {
    virtualisation.fileSystems."/four" = from 4;
    virtualisation.fileSystems."/three" = from 3;
    networking.firewall.enable = false;
  };

  testScript = ''
    server.start()
    server.wait_for_unit("nfs-server")
    server.succeed("echo flakes > /shelf/globe")
    client.start()

    for folder in ["four", "three"]:
        with subtest(f"/{folder}"):
            client.wait_for_unit(f"{folder}.mount")
            assert client.succeed(f"cat /{folder}/globe") == "flakes\n"
            client.succeed(f"echo {folder} > /{folder}/new", f"flock -n /{folder}/new true")
            assert server.succeed("cat /shelf/new") == f"{folder}\n"
            client.succeed(f"mkdir /{folder}/box && mv /{folder}/new /{folder}/box/ && rm -r /{folder}/box")
            server.fail("test -e /shelf/box")
  '';
}
