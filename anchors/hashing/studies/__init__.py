"""One module per notebook: ``compute`` gives the result table, ``summarise`` the rows a reader sees and the verdict."""
