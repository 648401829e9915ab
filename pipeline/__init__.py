"""What every stage stands on (params, store, video, training), and what drives them (dag, cli)."""
