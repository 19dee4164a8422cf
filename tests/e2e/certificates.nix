# Authorities that a machine trusts: programs accept what they signed and nothing else.
{ pkgs, lib, ... }:
let
  # A certificate for `host`, and the authority that signed it.
  certificate = host: pkgs.runCommand "certificate-${host}" { nativeBuildInputs = [ pkgs.openssl ]; } ''
    mkdir $out
    cd $out
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=authority of ${host}" -keyout authority.key -out authority.crt
    openssl req -newkey rsa:2048 -nodes -subj "/CN=${host}" -keyout key -out request
    printf 'subjectAltName=DNS:${host}\n' > names
    openssl x509 -req -in request -CA authority.crt -CAkey authority.key -CAcreateserial -days 3650 -extfile names -out crt
    rm request names
  '';
  trusted = certificate "trusted.example.com";
  strange = certificate "strange.example.com";
  site = files: text: {
    onlySSL = true;
    sslCertificate = "${files}/crt";
    sslCertificateKey = "${files}/key";
    locations."/".extraConfig = ''
      add_header Content-Type text/plain;
      return 200 '${text}';
    '';
  };
in
{
  name = "certificates";

  nodes.machine = {
    networking.hosts."127.0.0.1" = [ "trusted.example.com" "strange.example.com" ];
    security.pki.certificateFiles = [ "${trusted}/authority.crt" ];
    services.nginx.enable = true;
    services.nginx.virtualHosts."trusted.example.com" = site trusted "from a trusted host";
    services.nginx.virtualHosts."strange.example.com" = site strange "from a strange host";
    environment.systemPackages = [ pkgs.openssl ];
  };

  testScript = ''
    machine.wait_for_unit("nginx")
    machine.wait_for_open_port(443)

    with subtest("what the authority signed is accepted"):
        assert "from a trusted host" in machine.succeed("curl -sS https://trusted.example.com")
        machine.succeed("openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt ${trusted}/crt")

    with subtest("other certificates are not"):
        machine.fail("curl -sS https://strange.example.com")
        assert "from a strange host" in machine.succeed("curl -sS --cacert ${strange}/authority.crt https://strange.example.com")

    with subtest("the usual authorities are there too"):
        assert int(machine.succeed("grep -c 'BEGIN CERT' /etc/ssl/certs/ca-certificates.crt")) > 100
  '';
}
