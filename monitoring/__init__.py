"""How the world changes. Rooms, from the top: telling, cost, judgement; content beside camera."""
