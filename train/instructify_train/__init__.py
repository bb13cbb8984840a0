"""The trainer of instructify: InstructBLIP trained and evaluated on builds."""
