{ a = missing1; b = missing2; }
