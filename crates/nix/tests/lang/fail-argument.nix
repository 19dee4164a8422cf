({ port, ... }: port) { prot = 1; }
