"""The scaling study (``weft bench scaling``), its report, and a model of time and price (``weft plan``)."""
