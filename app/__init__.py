"""The online half: web workers that check requests, and one model host that answers them."""
