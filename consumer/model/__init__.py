"""What flows through the service: records, events, rejections, slices, claims. Pure: no I/O."""
