# An LDAP server whose configuration is entries: declared contents, changes that stay or do not, a
# configuration kept by hand.
{ pkgs, ... }:
let
  contents = ''
    dn: dc=example
    objectClass: domain
    dc: example

    dn: ou=people,dc=example
    objectClass: organizationalUnit
    ou: people

    dn: cn=Ada,ou=people,dc=example
    objectClass: inetOrgPerson
    cn: Ada
    sn: Lovelace
    userPassword: engine
  '';
  schemas = map (name: "${pkgs.openldap}/etc/schema/${name}.ldif") [ "core" "cosine" "inetorgperson" ];
  server = extra: {
    environment.etc."openldap/root_password".text = "rootword";
    networking.firewall.allowedTCPPorts = [ 389 ];
    services.openldap = {
      enable = true;
      urlList = [ "ldapi:///" "ldap:///" ];
      settings.children = {
        "cn=schema".includes = schemas;
        "olcDatabase={0}config".attrs = {
          objectClass = [ "olcDatabaseConfig" ];
          olcDatabase = "{0}config";
          olcRootDN = "cn=root,cn=config";
          olcRootPW = "configword";
        };
        "olcDatabase={1}mdb".attrs = {
          objectClass = [ "olcDatabaseConfig" "olcMdbConfig" ];
          olcDatabase = "{1}mdb";
          olcDbDirectory = "/var/lib/openldap/db";
          olcSuffix = "dc=example";
          # cn=root,dc=example
          olcRootDN.base64 = "Y249cm9vdCxkYz1leGFtcGxl";
          olcRootPW.path = "/etc/openldap/root_password";
        };
      };
      declarativeContents."dc=example" = contents;
    } // extra;
  };
  byHand = pkgs.writeText "config.ldif" ''
    dn: cn=config
    cn: config
    objectClass: olcGlobal

    dn: cn=module{0},cn=config
    objectClass: olcModuleList
    cn: module{0}
    olcModulePath: /usr/lib/ldap
    olcModuleLoad: back_mdb

    dn: cn=schema,cn=config
    cn: schema
    objectClass: olcSchemaConfig

    ${builtins.concatStringsSep "\n" (map (file: "include: file://${file}") schemas)}

    dn: olcDatabase={1}mdb,cn=config
    objectClass: olcDatabaseConfig
    objectClass: olcMdbConfig
    olcDatabase: {1}mdb
    olcDbDirectory: /var/db/openldap
    olcSuffix: dc=example
    olcRootDN: cn=root,dc=example
    olcRootPW: byhand
  '';
  rename = pkgs.writeText "rename.ldif" ''
    dn: olcDatabase={1}mdb,cn=config
    changetype: modify
    replace: olcRootPW
    olcRootPW: changed
  '';
in
{
  name = "directory";

  nodes.fixed = server { };
  nodes.changing = server { mutableConfig = true; };
  nodes.hand.services.openldap = { enable = true; configDir = "/var/db/slapd.d"; };

  testScript = ''
    start_all()
    search = "ldapsearch -LLL -x -H ldap://{} -D cn=root,dc=example -w {} -b dc=example"

    with subtest("declared contents"):
        fixed.wait_for_unit("openldap")
        assert "sn: Lovelace" in fixed.succeed(search.format("localhost", "rootword"))
        fixed.succeed("ldapwhoami -x -D cn=Ada,ou=people,dc=example -w engine")
        fixed.fail("ldapwhoami -x -D cn=Ada,ou=people,dc=example -w wrong")

    with subtest("over the network"):
        changing.wait_for_unit("openldap")
        assert "sn: Lovelace" in fixed.succeed(search.format("changing", "rootword"))

    with subtest("a configuration that is kept lives through a restart, a fixed one does not"):
        for machine in (fixed, changing):
            machine.execute("ldapmodify -x -D cn=root,cn=config -w configword -f ${rename}")
            machine.succeed("systemctl restart openldap")
        assert "sn: Lovelace" in changing.succeed(search.format("localhost", "changed"))
        assert "sn: Lovelace" in fixed.succeed(search.format("localhost", "rootword"))

    with subtest("a configuration by hand"):
        hand.succeed(
            "systemctl stop openldap",
            "rm -rf /var/db/slapd.d",
            "mkdir -p /var/db/slapd.d /var/db/openldap",
            "slapadd -F /var/db/slapd.d -n0 -l ${byHand}",
            "slapadd -F /var/db/slapd.d -n1 -l ${pkgs.writeText "contents.ldif" contents}",
            "chown -R openldap:openldap /var/db/slapd.d /var/db/openldap",
            "systemctl start openldap",
        )
        assert "sn: Lovelace" in hand.succeed(search.format("localhost", "byhand"))
  '';
}
