# everything lives under $K8S_ROOT; nothing is installed system-wide
K=${K8S_ROOT:-$HOME/.cache/hybrid-parsl-kubernetes}; B=$K/bin; R=$K/run; D=$K/deb
