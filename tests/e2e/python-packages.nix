# Packages of Python for a script: of Debian, with what they depend on; for its checks too.
{
  name = "python-packages";
  nodes = { };
  extraPythonPackages = p: [
    p.pyyaml
    p.requests
  ];
  testScript = ''
    import requests
    import yaml

    assert yaml.safe_load("a: [1, 2]") == {"a": [1, 2]}
    assert requests.codes.ok == 200
  '';
}
