# Keys that tests log in with. Everyone has them: they protect nothing.
pkgs: {
  snakeOilPrivateKey = pkgs.writeText "privkey.snakeoil" ''
    -----BEGIN EC PRIVATE KEY-----
    MHcCAQEEIBh8VjWTiaZ5vq/xfVkBXg3HGfu9WbrvxzhxDljRLwuToAoGCCqGSM49
    AwEHoUQDQgAE1xJFuamHWcFui9AjNuOdakbTwZLWXJbLi6rJuoAiFAos4ttcSu1L
    IiouWOdg9alBhsLTkL6zbs0s7F+1kUPqvw==
    -----END EC PRIVATE KEY-----
  '';
  snakeOilPublicKey = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNcSRbmph1nBbovQIzbjnWpG08GS1lyWy4uqybqAIhQKLOLbXErtSyIqLljnYPWpQYbC05C+s27NLOxftZFD6r8= a key for tests only";

  snakeOilEd25519PrivateKey = pkgs.writeText "privkey.snakeoil" ''
    -----BEGIN OPENSSH PRIVATE KEY-----
    b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
    QyNTUxOQAAACDHvmLMyl2DqV6J/udSOw5xMOWRZoJiv8e5f0Jm7eC95wAAAJj2A2Y59gNm
    OQAAAAtzc2gtZWQyNTUxOQAAACDHvmLMyl2DqV6J/udSOw5xMOWRZoJiv8e5f0Jm7eC95w
    AAAEBAxsRUXLP/nEFRLtAvrwD+ag7BpELHayhTm7ptX+wuvce+YszKXYOpXon+51I7DnEw
    5ZFmgmK/x7l/Qmbt4L3nAAAAFGEga2V5IGZvciB0ZXN0cyBvbmx5AQ==
    -----END OPENSSH PRIVATE KEY-----
  '';
  snakeOilEd25519PublicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMe+YszKXYOpXon+51I7DnEw5ZFmgmK/x7l/Qmbt4L3n a key for tests only";
}
