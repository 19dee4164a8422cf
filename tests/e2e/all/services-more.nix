# Talk by XMPP, repositories by gitolite, mail by OpenSMTPD, a power supply and the time of the machine.
let
  keys = import ../keys;
in
{
  name = "services-more";

  nodes.server =
    { pkgs, ... }:
    {
      networking.firewall.allowedTCPPorts = [ 22 25 3551 5222 5280 ];
      users.users.ada = { isNormalUser = true; password = "lovelace"; };

      services.prosody = {
        enable = true;
        c2sRequireEncryption = false;
        virtualHosts.globe = { domain = "globe.test"; enabled = true; };
        muc = [ { domain = "rooms.globe.test"; name = "Igloos"; } ];
        httpFileShare.domain = "files.globe.test";
        extraConfig = "allow_unencrypted_plain_auth = true";
        modules.motd = true;
      };

      services.openssh.enable = true;
      services.gitolite = {
        enable = true;
        adminPubkey = keys.ada.public;
        extraGitoliteRc = "$RC{SITE_INFO} = 'snow on the globe';";
      };

      services.opensmtpd = {
        enable = true;
        serverConfiguration = ''
          listen on 0.0.0.0
          action here mbox
          match from any for domain "globe.test" action here
          match for local action here
        '';
      };

      services.apcupsd = {
        enable = true;
        configText = ''
          UPSTYPE net
          UPSCABLE ether
          DEVICE localhost:3552
          NISIP 0.0.0.0
          NETSERVER on
          UPSNAME flake
        '';
        hooks.commfailure = "touch /run/heard";
      };
      services.tuptime.enable = true;
    };

  nodes.client =
    { pkgs, ... }:
    {
      environment.systemPackages = with pkgs; [ git swaks apcupsd python3 ];
      environment.etc."key" = { text = keys.ada.private; mode = "0600"; };
      environment.variables.GIT_SSH_COMMAND = "ssh -i /etc/key -o StrictHostKeyChecking=no";
      environment.etc."talk.py".text = ''
        import base64, socket, sys
        name, password = sys.argv[1:]
        talk = socket.create_connection(("server", 5222), 20)
        def say(text, until):
            talk.sendall(text.encode())
            heard = ""
            while not any(word in heard for word in until):
                part = talk.recv(4096).decode()
                assert part, heard
                heard += part
            return heard
        stream = "<stream:stream to='globe.test' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
        say(stream, ["</stream:features>"])
        word = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        assert "<success" in say(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{word}</auth>", ["<success", "<failure"]), "not let in"
        say(stream, ["</stream:features>"])
        say("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", ["</iq>"])
        print(say("<iq type='get' id='2' to='rooms.globe.test'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", ["</iq>"]))
      '';
    };

  testScript = ''
    start_all()
    server.wait_for_unit("multi-user.target")
    client.wait_for_unit("multi-user.target")

    with subtest("prosody: a user comes in and sees the rooms"):
        server.wait_for_unit("prosody.service")
        server.wait_for_open_port(5222)
        server.succeed("prosodyctl status | grep 'Prosody is running'", "prosodyctl register ada globe.test lovelace")
        assert "Igloos" in client.succeed("python3 /etc/talk.py ada lovelace")
        client.fail("python3 /etc/talk.py ada byron")

    with subtest("gitolite: a repository for a key"):
        server.wait_for_unit("gitolite-init.service")
        assert "snow on the globe" in client.succeed("ssh -i /etc/key -o StrictHostKeyChecking=no gitolite@server info")
        client.succeed("git clone gitolite@server:gitolite-admin.git /root/admin")
        client.succeed(
            "cd /root/admin && git config user.email a@b.c && git config user.name ada"
            " && printf 'repo flakes\\n  RW+ = gitolite-admin\\n' >> conf/gitolite.conf && git commit -qam flakes && git push"
        )
        client.succeed("git clone gitolite@server:flakes.git /root/flakes")
        client.fail("git clone gitolite@server:sleet.git /root/sleet")

    with subtest("opensmtpd: mail for somebody here"):
        server.wait_for_unit("opensmtpd.service")
        server.wait_for_open_port(25)
        client.succeed("swaks --silent 2 --server server --to ada@globe.test --from bob@client.test --header 'Subject: flakes'")
        server.wait_until_succeeds("grep 'Subject: flakes' /var/mail/ada")
        client.fail("swaks --silent 2 --server server --to ada@elsewhere.test --from bob@client.test")
        server.succeed("printf 'Subject: sleet\\n\\nx\\n' | sendmail ada")
        server.wait_until_succeeds("grep 'Subject: sleet' /var/mail/ada")

    with subtest("apcupsd: a supply that is not there, told over the network"):
        server.wait_for_unit("apcupsd.service")
        client.wait_until_succeeds("apcaccess status server:3551 | grep 'UPSNAME *: flake'")
        server.wait_for_file("/run/heard")

    with subtest("tuptime: it started once"):
        server.wait_for_unit("tuptime.service")
        server.succeed("tuptime | grep 'System startups:.*1'")
  '';
}
