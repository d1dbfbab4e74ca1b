"""Parts of the fluctuation-dissipation benchmark: tasks, rules that cut, and what is measured about them."""
