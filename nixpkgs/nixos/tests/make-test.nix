# What tests from before 2020 import: their scripts are Perl.
_: _: throw "This test is from the time when test scripts were written in Perl (`make-test.nix'), which is not supported. nixpkgs has had it in Python (`make-test-python.nix') since 20.03."
