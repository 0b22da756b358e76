from app.access.cli import main

main()
